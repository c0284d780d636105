import type { Handler } from '../server/method.ts'

export const nodeStatus: Handler<'node.status'> = ({ node }) => node.node.status()
