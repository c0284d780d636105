import type { Handler } from '../server/method.ts'

export const eventsWait: Handler<'events.wait'> = ({ node, signal }, params) =>
  node.events.wait(params, signal)
