import { type Clock, HearsayError, toHex } from '../base/index.ts'
import { nodeIdFromText, peerIdText } from '../net/index.ts'
import type { Store } from '../store/index.ts'
import type { NodeApi, PeerView } from './api.ts'
import type { Idempotency } from './idempotency.ts'
import { FOR_GOOD, type PeerBans } from './peer-bans.ts'
import type { Session } from './session.ts'
import { cursorText, parseCursor } from './views.ts'

export interface PeersPorts {
  readonly store: Store
  readonly clock: Clock
  readonly idempotency: Idempotency
  readonly bans: PeerBans
  readonly session: () => Session | undefined
  readonly peerId: string
}

/** peers.* over the session and the bans of this home. */
export function peersApi(ports: PeersPorts): NodeApi['peers'] {
  const { store, clock, idempotency, bans } = ports

  function known(): PeerView[] {
    const session = ports.session()
    const connected = session?.net.peers.connected() ?? []
    const isConnected = new Set(connected.map(toHex))
    const found = new Map<string, PeerView>()
    const add = (peerId: string, addresses: readonly string[], up: boolean, banned: boolean) => {
      if (!found.has(peerId)) found.set(peerId, { peerId, addresses, connected: up, banned })
    }
    for (const { nodeId, addresses } of session?.directory.dialTargets() ?? []) {
      add(peerIdText(nodeId), addresses, isConnected.has(toHex(nodeId)), bans.has(nodeId))
    }
    for (const nodeId of connected) add(peerIdText(nodeId), [], true, bans.has(nodeId))
    // A ban that cannot be seen cannot be lifted.
    for (const peerId of bans.list()) add(peerId, [], false, true)
    return [...found.values()].toSorted((a, b) => (a.peerId < b.peerId ? -1 : 1))
  }

  return {
    async list(page) {
      const all = known()
      const from = parseCursor(page.cursor) ?? 0
      const to = from + page.limit
      return {
        items: all.slice(from, to),
        nextCursor: to < all.length ? cursorText(to) : null,
        asOfSeq: store.headSeq(),
      }
    },

    ban: ({ peerId, ttlMs }, ctx) =>
      idempotency.run(
        ctx,
        () => {
          const nodeId = nodeIdFromText(peerId)
          if (nodeId === undefined) {
            throw new HearsayError('bad-value', 'not a peer id of a node', { field: 'peerId' })
          }
          if (peerId === ports.peerId) {
            throw new HearsayError('bad-value', 'a node cannot ban itself', { field: 'peerId' })
          }
          return (batch) => {
            const until = ttlMs === undefined ? FOR_GOOD : clock.now() + ttlMs
            bans.ban(batch, nodeId, until)
            return () => ({ peerId })
          }
        },
        async (banned) => {
          const nodeId = nodeIdFromText(banned.peerId)
          if (nodeId !== undefined) await ports.session()?.net.peers.disconnect(nodeId)
          return banned
        },
      ),
  }
}
