import type { Handler } from '../server/method.ts'

export const contactsVerify: Handler<'contacts.verify'> = ({ node, call }, params) =>
  node.contacts.verify(params, call)
