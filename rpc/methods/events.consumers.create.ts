import type { Handler } from '../server/method.ts'

export const eventsConsumersCreate: Handler<'events.consumers.create'> = ({ node, call }, params) =>
  node.events.consumers.create(params, call)
