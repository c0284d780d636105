import { mutation, query } from './define.ts'
import { PEER } from './examples.ts'
import { duration, listing, page, peerId } from './shapes.ts'
import { peerView } from './views.ts'

export const peersMethods = [
  query({
    name: 'peers.list',
    summary: 'Nodes that this node knows.',
    params: page,
    result: listing(peerView),
    scope: 'read',
    example: {
      params: { limit: 50 },
      result: {
        items: [
          { peerId: PEER, addresses: ['/ip4/127.0.0.2/tcp/4001'], connected: true, banned: false },
        ],
        nextCursor: null,
        asOfSeq: 42,
      },
    },
  }),
  mutation({
    name: 'peers.ban',
    summary:
      'Hangs up on a peer and refuses it, for `ttl` or for good. A later ban replaces it: `ttl: "1s"` lifts it.',
    params: { peerId, ttl: duration.exactOptional() },
    result: { peerId },
    scope: 'network',
    example: { params: { peerId: PEER, ttl: '24h' }, result: { peerId: PEER } },
  }),
] as const
