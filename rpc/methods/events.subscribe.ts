import { RpcError } from '../rpc-error.ts'
import type { Handler } from '../server/method.ts'

export const eventsSubscribe: Handler<'events.subscribe'> = async (
  { subscriptions, afterReply },
  params,
) => {
  const { consumer, after, types } = params
  if (consumer !== undefined && (after !== undefined || types !== undefined)) {
    throw new RpcError('INVALID_PARAMS', {
      issues: [{ path: '', message: 'a consumer has a position and types of its own' }],
    })
  }
  const { result, started } = await subscriptions.open(params)
  afterReply(started)
  return result
}
