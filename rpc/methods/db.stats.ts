import type { Handler } from '../server/method.ts'

export const dbStats: Handler<'db.stats'> = ({ node }) => node.db.stats()
