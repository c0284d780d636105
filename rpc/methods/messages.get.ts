import type { Handler } from '../server/method.ts'

export const messagesGet: Handler<'messages.get'> = ({ node }, params) => node.messages.get(params)
