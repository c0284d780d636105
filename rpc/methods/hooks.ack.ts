import type { Handler } from '../server/method.ts'

export const hooksAck: Handler<'hooks.ack'> = ({ node, call }, params) =>
  node.hooks.ack(params, call)
