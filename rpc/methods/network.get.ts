import type { Handler } from '../server/method.ts'

export const networkGet: Handler<'network.get'> = ({ node }) => node.network.get()
