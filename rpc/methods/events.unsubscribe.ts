import type { Handler } from '../server/method.ts'

export const eventsUnsubscribe: Handler<'events.unsubscribe'> = async (
  { subscriptions },
  params,
) => {
  subscriptions.close(params.subscription)
  return {}
}
