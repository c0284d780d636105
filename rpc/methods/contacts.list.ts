import type { Handler } from '../server/method.ts'

export const contactsList: Handler<'contacts.list'> = ({ node }, params) =>
  node.contacts.list(params)
