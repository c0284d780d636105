import type { Handler } from '../server/method.ts'

export const messagesList: Handler<'messages.list'> = ({ node }, params) =>
  node.messages.list(params)
