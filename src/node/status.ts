import { type Clock, DAY_MS, toHex } from '../base/index.ts'
import type { Store, StoreSpace } from '../store/index.ts'
import type { HookProgress, NodeState, NodeStatus } from './api.ts'
import { PRIVACY_TABLE } from '../mix/index.ts'
import type { EventRetention } from './event-retention.ts'
import { healthOf } from './health.ts'
import { hookStatuses } from './hooks-api.ts'
import { mixingStatus, NO_MIXING } from './mixing-status.ts'
import { type Networks, wordsText } from './networks.ts'
import type { Session } from './session.ts'
import { timeText } from './views.ts'

export interface StatusPorts {
  readonly clock: Clock
  readonly store: Store
  readonly networks: Networks
  readonly session: () => Session | undefined
  readonly state: () => NodeState
  readonly hooks: (head: number) => readonly HookProgress[]
  readonly retention: Pick<EventRetention, 'estimateMs'>
  readonly peerId: string
  readonly version: string
  readonly since: number
}

/** What the node says about itself: nothing that it cannot show a number for. */
export async function readStatus(ports: StatusPorts): Promise<NodeStatus> {
  const { clock, store, networks } = ports
  const session = ports.session()
  const network = networks.joined
  const space = await spaceOf(store)
  const eventRetentionMs = await eventRetentionOf(ports)
  const depth = session?.conversations.depth()
  return {
    state: ports.state(),
    link: session?.shownLink ?? (network === undefined ? 'none' : 'joining'),
    since: timeText(ports.since),
    peerId: ports.peerId,
    peers: session?.net.peers.connected().length ?? 0,
    version: ports.version,
    addresses: session?.net.addresses() ?? [],
    network:
      network === undefined
        ? null
        : {
            networkId: toHex(network.id),
            name: network.name,
            words: wordsText(network.id),
            preset: network.parameters.preset,
            nodes: session?.directory.nodes().length ?? 0,
            epoch: session?.directory.epoch ?? 0,
          },
    mixing: mixing(store.state() === 'ok' ? session : undefined, networks),
    catchUp: session?.catchUp.view ?? { phase: 'idle', done: 0, total: 0 },
    outbox: {
      queued: depth?.queued ?? 0,
      oldestAgeMs: depth?.oldestAt === undefined ? null : Math.max(0, clock.now() - depth.oldestAt),
      filled: depth?.filled ?? 0,
    },
    hooks: hookStatuses(ports),
    storage: {
      bytes: space.bytes,
      freeBytes: space.freeBytes,
      ...boxesOf(session),
      ...(network === undefined ? {} : { boxLifetimeMs: network.parameters.ttlDays * DAY_MS }),
      ...(eventRetentionMs === undefined ? {} : { eventRetentionMs }),
      sync: true,
    },
    health: healthOf(ports, session, space),
    headSeq: store.headSeq(),
    epoch: store.epoch,
  }
}

/** A store that could not be opened again yet counts nothing; the status has to be told all the same. */
async function spaceOf(store: Store): Promise<StoreSpace> {
  try {
    return await store.space()
  } catch (error) {
    if (store.state() === 'ok') throw error
    return { bytes: 0, freeBytes: 0, damagedSecrets: 0, damagedValues: 0 }
  }
}

/** What the mailbox holds, may hold, and for how long at the measured rate. */
function boxesOf(session: Session | undefined) {
  const mailbox = session?.mailbox.status()
  if (mailbox === undefined) return { boxes: 0, retentionMs: null }
  const { boxes, bytes, quotaBytes, roomBytes, intake } = mailbox
  return {
    boxes,
    boxBytes: bytes,
    boxQuotaBytes: quotaBytes,
    boxRoomBytes: roomBytes,
    ...(intake === undefined ? {} : { boxesPerHour: Math.round(intake.boxesPerHour) }),
    retentionMs: intake === undefined ? null : Math.floor(intake.retentionMs),
  }
}

async function eventRetentionOf({ store, retention }: StatusPorts): Promise<number | undefined> {
  try {
    const ms = await retention.estimateMs()
    return ms === undefined ? undefined : Math.floor(ms)
  } catch (error) {
    if (store.state() === 'ok') throw error
    return undefined
  }
}

function mixing(session: Session | undefined, networks: Networks): NodeStatus['mixing'] {
  const parameters = networks.joined?.parameters
  if (session === undefined || parameters === undefined) return NO_MIXING
  return mixingStatus(PRIVACY_TABLE, {
    parameters,
    nodes: session.nodeCount,
    mix: session.mix.status(),
    publishEvery: session.publishEvery,
    boxesPerSecond: session.boxesPerSecond,
    rejoinHoldLeftMs: session.mix.holdLeftMs(),
  })
}
