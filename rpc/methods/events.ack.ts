import type { Handler } from '../server/method.ts'

export const eventsAck: Handler<'events.ack'> = async ({ node, consumers }, params) => {
  const { cursor } = await node.events.ack(params)
  consumers.acked(params.consumer, cursor)
  return { cursor }
}
