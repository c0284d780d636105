import type { Handler } from '../server/method.ts'

export const contactsGet: Handler<'contacts.get'> = ({ node }, params) => node.contacts.get(params)
