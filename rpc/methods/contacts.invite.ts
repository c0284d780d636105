import { withTtlMs } from '../schema/duration.ts'
import type { Handler } from '../server/method.ts'

export const contactsInvite: Handler<'contacts.invite'> = ({ node, call }, { ttl, ...rest }) =>
  node.contacts.invite(withTtlMs(rest, ttl), call)
