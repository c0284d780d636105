import type { Handler } from '../server/method.ts'

export const contactsRename: Handler<'contacts.rename'> = ({ node, call }, params) =>
  node.contacts.rename(params, call)
