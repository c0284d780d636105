import type { Handler } from '../server/method.ts'

export const contactsInviteCancel: Handler<'contacts.inviteCancel'> = ({ node, call }, params) =>
  node.contacts.inviteCancel(params, call)
