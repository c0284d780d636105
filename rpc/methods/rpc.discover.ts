import { openRpcDocument } from '../schema/openrpc.ts'
import type { Handler } from '../server/method.ts'

export const rpcDiscover: Handler<'rpc.discover'> = async () => openRpcDocument()
