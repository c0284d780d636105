import type { Handler } from '../server/method.ts'

// The answer goes first: stopping closes the connection that asked.
export const nodeStop: Handler<'node.stop'> = async ({ node, afterReply }, params) => {
  afterReply(() => node.node.stop(params))
  return {}
}
