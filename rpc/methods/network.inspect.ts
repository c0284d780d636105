import { networkSource } from './network-source.ts'
import type { Handler } from '../server/method.ts'

export const networkInspect: Handler<'network.inspect'> = async ({ node }, params) =>
  node.network.inspect({ source: networkSource(params) })
