import { API_VERSION, MIN_API_VERSION } from '../constants.ts'
import type { Handler } from '../server/method.ts'

export const rpcVersion: Handler<'rpc.version'> = async ({ versions }) => ({
  api: API_VERSION,
  minApi: MIN_API_VERSION,
  daemon: versions.daemon,
  node: versions.node,
})
