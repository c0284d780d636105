import type { Handler } from '../server/method.ts'

export const networkCreate: Handler<'network.create'> = ({ node, call }, params) =>
  node.network.create(params, call)
