import type { Handler } from '../server/method.ts'

export const dbBackup: Handler<'db.backup'> = ({ node }, params) => node.db.backup(params)
