import type { Handler } from '../server/method.ts'

export const outboxList: Handler<'outbox.list'> = ({ node }, params) => node.outbox.list(params)
