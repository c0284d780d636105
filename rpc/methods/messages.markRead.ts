import type { Handler } from '../server/method.ts'

export const messagesMarkRead: Handler<'messages.markRead'> = ({ node, call }, params) =>
  node.messages.markRead(params, call)
