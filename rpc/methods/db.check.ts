import type { Handler } from '../server/method.ts'

export const dbCheck: Handler<'db.check'> = ({ node }) => node.db.check()
