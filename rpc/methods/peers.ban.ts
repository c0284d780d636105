import { withTtlMs } from '../schema/duration.ts'
import type { Handler } from '../server/method.ts'

export const peersBan: Handler<'peers.ban'> = ({ node, call }, { ttl, ...rest }) =>
  node.peers.ban(withTtlMs(rest, ttl), call)
