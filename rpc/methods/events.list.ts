import type { Handler } from '../server/method.ts'

export const eventsList: Handler<'events.list'> = ({ node }, params) => node.events.list(params)
