import type { Handler } from '../server/method.ts'

export const nodeStop: Handler<'node.stop'> = async ({ node }, params) => {
  await node.node.stop(params)
  return {}
}
