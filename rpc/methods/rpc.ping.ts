import type { Handler } from '../server/method.ts'

export const rpcPing: Handler<'rpc.ping'> = async ({ clock }, { nonce }) => ({
  ...(nonce === undefined ? {} : { nonce }),
  time: new Date(clock.now()).toISOString(),
})
