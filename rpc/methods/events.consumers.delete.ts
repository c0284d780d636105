import type { Handler } from '../server/method.ts'

export const eventsConsumersDelete: Handler<'events.consumers.delete'> = async (
  { node, call, consumers },
  params,
) => {
  const deleted = await node.events.consumers.delete(params, call)
  consumers.deleted(params.name)
  return deleted
}
