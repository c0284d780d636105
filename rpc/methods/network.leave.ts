import type { Handler } from '../server/method.ts'

export const networkLeave: Handler<'network.leave'> = ({ node, call }, params) =>
  node.network.leave(params, call)
