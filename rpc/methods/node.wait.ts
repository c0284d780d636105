import type { Handler } from '../server/method.ts'

export const nodeWait: Handler<'node.wait'> = ({ node, signal }, params) =>
  node.node.wait(params, signal)
