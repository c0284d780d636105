import { networkSource } from './network-source.ts'
import type { Handler } from '../server/method.ts'

export const networkJoin: Handler<'network.join'> = async (
  { node, call },
  { file, uri, ...rest },
) => node.network.join({ source: networkSource({ file, uri }), ...rest }, call)
