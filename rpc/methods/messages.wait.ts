import type { Handler } from '../server/method.ts'

export const messagesWait: Handler<'messages.wait'> = ({ node, signal }, params) =>
  node.messages.wait(params, signal)
