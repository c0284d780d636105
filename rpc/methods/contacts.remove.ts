import type { Handler } from '../server/method.ts'

export const contactsRemove: Handler<'contacts.remove'> = ({ node, call }, params) =>
  node.contacts.remove(params, call)
