import type { Handler } from '../server/method.ts'

export const eventsConsumersList: Handler<'events.consumers.list'> = ({ node }) =>
  node.events.consumers.list()
