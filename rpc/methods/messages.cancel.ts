import type { Handler } from '../server/method.ts'

export const messagesCancel: Handler<'messages.cancel'> = ({ node, call }, params) =>
  node.messages.cancel(params, call)
