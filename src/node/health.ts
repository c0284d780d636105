import type { Hindrance } from '../net/index.ts'
import type { Store, StoreSpace } from '../store/index.ts'
import { clockHealth } from './clock-health.ts'
import type { HealthCode, HealthEntry, HookProgress, NodeState } from './api.ts'
import { hookStatuses } from './hooks-api.ts'
import { keepingHealth } from './keeping-health.ts'
import { NODES_FOR_A_CLAIM } from './mixing-status.ts'
import type { Networks } from './networks.ts'
import { replyHealth } from './reply-health.ts'
import type { Session } from './session.ts'
import { LOW_SPACE_BYTES } from './upkeep.ts'

export interface HealthPorts {
  readonly store: Store
  readonly networks: Networks
  readonly state: () => NodeState
  readonly hooks: (head: number) => readonly HookProgress[]
}

const HOOK_FAILURES_TO_WARN = 3

/** What lets others dial a node that they cannot; nothing where its owner wants it so. */
const DIAL_FIXES: Readonly<Record<Hindrance, string | undefined>> = {
  closed:
    'open or forward the TCP port of `listen`; when another port is forwarded, set `announce`',
  elsewhere:
    'forward a port to this node and set `announce` to the address and port that others see',
  'no-address': 'set `listen` to an address of this machine',
  configured: undefined,
}

/** What is not as it should be, with a fix for each; the gravest of the store first. */
export function healthOf(
  ports: HealthPorts,
  session: Session | undefined,
  { freeBytes, damagedSecrets, damagedValues }: StoreSpace,
): HealthEntry[] {
  const found: HealthEntry[] = []
  const add = (severity: HealthEntry['severity'], code: HealthCode, text: string, fix: string) =>
    found.push({ severity, code, text, fix })
  if (ports.state() === 'readonly') {
    add(
      'error',
      'STORAGE_READONLY',
      'a write to the disk failed; nothing new is accepted',
      'free space or repair the disk: the node goes on by itself within seconds',
    )
  }
  if (damagedSecrets > 0) {
    add(
      'error',
      'SECRETS_DAMAGED',
      `${damagedSecrets} stored keys cannot be read any more`,
      'remove the contacts that fail and invite them again',
    )
  }
  if (damagedValues > 0) {
    add(
      'error',
      'VALUES_DAMAGED',
      `${damagedValues} stored values did not open since the start: the disk has changed them`,
      'hearsay db check counts what is left of them; contacts, and messages under way, that were hit have ended with an event; an event that was hit is storage.damaged, and hearsay history has the messages',
    )
  }
  if (freeBytes < LOW_SPACE_BYTES) {
    add(
      'warning',
      'STORAGE_LOW',
      'less than 256 MiB of disk are free: boxes of others are let go',
      'free some space: below 64 MiB no message is accepted and no box taken',
    )
  }
  const oldest = ports.store.journal.oldestSeq()
  for (const { name, cursor } of ports.store.consumers.list()) {
    // A consumer with a colon is a hook: it goes on by itself, and what it missed is counted.
    if (cursor >= oldest - 1 || name.includes(':')) continue
    add(
      'warning',
      'EVENTS_MISSED',
      `${oldest - 1 - cursor} events that the consumer "${name}" has not had are no longer kept`,
      `hearsay events ack ${name} ${oldest - 1} lets it go on, and hearsay history has the messages; one that is not used: hearsay events consumers delete ${name}`,
    )
  }
  for (const { name, failures, lastError, missed, missedAt } of hookStatuses(ports)) {
    // One failure is often a restart of what the program talks to.
    if (failures >= HOOK_FAILURES_TO_WARN) {
      add(
        'warning',
        'HOOK_FAILING',
        `the program of the hook "${name}" fails (${lastError}): its events wait`,
        'run it by hand with an event on its stdin, mend it or take it out of config.toml',
      )
    }
    if (missedAt !== null) {
      add(
        'error',
        'HOOK_MISSED',
        `${missed} events that the hook "${name}" may have wanted are gone, the last found at ${missedAt}: it failed until they were too old, or the disk has changed them`,
        `hearsay history has the messages; hearsay hooks ack ${name} once you have seen to it`,
      )
    }
  }
  if (session === undefined) {
    const joined = ports.networks.joined !== undefined
    if (!joined) {
      add('info', 'NO_NETWORK', 'no network joined', 'hearsay network join <file or URI>')
    } else if (ports.state() === 'running') {
      add(
        'error',
        'NETWORK_NOT_ENTERED',
        'a network is joined and could not be entered; it is tried again every few seconds',
        'check the listen addresses; if the network refuses this node, leave it and join with an invitation',
      )
    }
    return found
  }
  // Nothing runs on a store that refuses writes: what follows would only send people elsewhere.
  if (ports.state() === 'readonly') return found
  const clock = clockHealth(session.directory.clockSkew)
  if (clock !== undefined) found.push(clock)
  const status = session.net.status()
  const link = session.shownLink
  if (status.networkMismatch) {
    add(
      'error',
      'NETWORK_MISMATCH',
      'every node that was reached has another network key',
      'get a fresh network file from the operator',
    )
  } else if (link === 'joining' && session.net.peers.connected().length > 0) {
    // Where the cause is known it is named alone.
    if (clock === undefined) {
      add(
        'warning',
        'NO_ROUTE',
        'other nodes are connected, but no way through the mixes is known: nothing leaves this node',
        'wait some minutes, as after a start; if it stays, compare the clocks of the nodes',
      )
    }
  } else if (link === 'joining') {
    add(
      'warning',
      'NO_PEERS',
      status.known === 0 ? 'no other node is known yet' : 'no other node can be reached',
      'check the network connection, the firewall and the addresses in: hearsay network show',
    )
  }
  const place = status.hindrance === undefined ? undefined : DIAL_FIXES[status.hindrance]
  if (place !== undefined) {
    add(
      'info',
      'UNREACHABLE',
      'other nodes cannot dial this one: it works, but it neither mixes nor keeps, and is hidden less well',
      place,
    )
  }
  if (session.mix.holdLeftMs() > 0) {
    add(
      'info',
      'REJOIN_HOLD',
      'messages wait a while after coming back, so that their time does not name you',
      'wait, or send with --now and accept that',
    )
  }
  const replies = link === 'linked' ? replyHealth(session.mix.status()) : undefined
  if (replies !== undefined) found.push(replies)
  const audited = session.conversations.audited()
  found.push(...keepingHealth({ audited, failingKeepers: session.mailbox.failingKeepers }))
  if (session.directory.nodes().length < NODES_FOR_A_CLAIM) {
    add(
      'info',
      'NETWORK_SMALL',
      `${session.directory.nodes().length} nodes are too few to hide anybody among them`,
      'invite more nodes',
    )
  }
  return found
}
