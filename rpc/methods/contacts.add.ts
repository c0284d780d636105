import type { Handler } from '../server/method.ts'

export const contactsAdd: Handler<'contacts.add'> = ({ node, call }, params) =>
  node.contacts.add(params, call)
