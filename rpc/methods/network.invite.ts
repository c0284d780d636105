import { withTtlMs } from '../schema/duration.ts'
import type { Handler } from '../server/method.ts'

export const networkInvite: Handler<'network.invite'> = ({ node, call }, { ttl, ...rest }) =>
  node.network.invite(withTtlMs(rest, ttl), call)
