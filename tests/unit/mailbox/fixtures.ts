import {
  asNetworkId,
  asNodeId,
  type BoxBytes,
  concat,
  equalBytes,
  type NodeId,
  silentLogger,
  toHex,
  u32be,
} from '../../../src/base/index.ts'
import { x25519PublicKey } from '../../../src/crypto/index.ts'
import { OwnPlacement, PlacementIndex, PRESETS } from '../../../src/directory/index.ts'
import { Mailbox, type MailboxOptions, type PublicationPort } from '../../../src/mailbox/index.ts'
import { memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import {
  advanceChain,
  BOX_BYTES,
  BOX_PAYLOAD_BYTES,
  coverBox,
  firstChain,
  parseBox,
  sealBox,
  verifyBox,
} from '../../../src/stream/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const NETWORK = asNetworkId(new Uint8Array(32).fill(5))
export const START = Date.UTC(2026, 10, 22, 12)
export const TODAY = Math.floor(START / 86_400_000)
export const TTL_DAYS = 2
export const EXPIRY = TODAY + TTL_DAYS

const rng = seededRng('boxes')

/** A valid box under a fresh address. */
export function box(expiryDay = EXPIRY): BoxBytes {
  return coverBox({ networkId: NETWORK, expiryDay, rng })
}

/** Valid, different boxes under one address. */
export function conflict(count: number): BoxBytes[] {
  const rootSeed = rng.bytes(32)
  const { keys } = advanceChain(firstChain(rng.bytes(32)))
  return Array.from({ length: count }, (_, i) =>
    sealBox({
      networkId: NETWORK,
      expiryDay: EXPIRY,
      rootSeed,
      keys,
      payload: new Uint8Array(BOX_PAYLOAD_BYTES).fill(i),
    }),
  )
}

export const addressOf = (bytes: BoxBytes) => parseBox(bytes).address

/** Long ago, so that epochs of all days of the tests have numbers. */
export const CREATED_AT = START - 10 * 86_400_000

/**
 * A stand-in for gossip's format: a byte that says whether the courier signed, the epoch, the courier, the box. The
 * courier is node 0, the epoch one of the box's day, unless told.
 */
export function publication(
  bytes: BoxBytes,
  signed = true,
  o: { courier?: NodeId; epoch?: number } = {},
): Uint8Array {
  const day = parseBox(bytes).expiryDay - TTL_DAYS
  const at = day === TODAY ? START : day * 86_400_000
  const epoch = o.epoch ?? Math.max(0, epochAt(at))
  return concat(Uint8Array.of(signed ? 1 : 0), u32be(epoch), o.courier ?? nodeIdAt(0), bytes)
}

export const epochAt = (ms: number) => Math.floor((ms - CREATED_AT) / PRESETS.swift.layerEpochMs)

const HEAD_BYTES = 1 + 4 + 32

export const publications: PublicationPort = {
  boxOf: (bytes) =>
    bytes.length === HEAD_BYTES + BOX_BYTES ? (bytes.subarray(HEAD_BYTES) as BoxBytes) : undefined,
  courierOf: (bytes) => ({
    courier: asNodeId(bytes.subarray(5, HEAD_BYTES)),
    epoch: new DataView(bytes.buffer, bytes.byteOffset).getUint32(1),
  }),
  isSigned: (bytes) => bytes[0] === 1,
}

export function nodeIdAt(index: number): NodeId {
  return asNodeId(seededRng(`id ${index}`).bytes(32))
}

/** What opens the questions to a node. */
export function requestSeedOf(node: NodeId): Uint8Array {
  return seededRng(`request ${toHex(node)}`).bytes(32)
}

export interface WorldOptions {
  readonly nodes: number
  readonly keepers?: number
  readonly maxBytes?: number
  readonly hotHours?: number
  readonly boxRate?: number
  readonly marks?: NonNullable<MailboxOptions['marks']>
  /** Of the disk, when the mailbox starts. */
  readonly freeBytes?: number
}

/** Nodes 0 to n - 1 that all know each other; a mailbox is made by `add`. */
export function world(options: WorldOptions) {
  const clock = new VirtualClock(START)
  const net = new MemoryNetwork({ clock, rng: seededRng('net') })
  const members = Array.from({ length: options.nodes }, (_, i) => nodeIdAt(i))
  const index = new PlacementIndex(
    members.map((nodeId, i) => ({ nodeId, addresses: [`/ip4/127.${i}.0.1/tcp/1`] })),
  )
  const disks = new Map<number, ReturnType<typeof memoryDisk>>()
  const running: Mailbox[] = []
  const keepers = options.keepers ?? 3

  /** `own`: what is otherwise with this node. */
  async function add(at: number, own: Partial<WorldOptions> = {}) {
    const { boxRate, freeBytes, hotHours, marks, maxBytes } = { ...options, ...own }
    const nodeId = nodeIdAt(at)
    const disk = disks.get(at) ?? memoryDisk()
    disks.set(at, disk)
    const ownRng = seededRng(`node ${at}`)
    const store = await openMemoryStore({ clock, rng: ownRng, log: silentLogger }, { disk })
    const link = net.join(nodeId)
    const placement = new OwnPlacement(
      {
        index: () => index,
        size: () => members.length,
        isKnown: (node) => members.some((each) => equalBytes(each, node)),
        requestKey: (node) => x25519PublicKey(requestSeedOf(node)),
      },
      { nodeId, network: { createdAt: CREATED_AT, parameters: { ...PRESETS.swift, keepers } } },
    )
    const mailbox = new Mailbox(
      {
        store,
        clock,
        rng: ownRng,
        log: silentLogger,
        requests: link.requests,
        peers: link.peers,
        placement,
        publications,
        verifyBox: (bytes) => verifyBox(NETWORK, bytes),
      },
      {
        networkId: NETWORK,
        nodeId,
        requestSeed: requestSeedOf(nodeId),
        parameters: {
          ttlDays: TTL_DAYS,
          hotHours: hotHours ?? 1,
          ...(boxRate === undefined ? {} : { boxRate }),
        },
        ...(maxBytes === undefined ? {} : { maxBytes }),
        ...(marks === undefined ? {} : { marks }),
      },
    )
    if (freeBytes !== undefined) mailbox.fit(freeBytes)
    await mailbox.start()
    running.push(mailbox)
    return { mailbox, link, nodeId, store, placement }
  }

  /** Runs a promise to its end while the clock moves. */
  async function settle<T>(promise: Promise<T>): Promise<T> {
    let done = false
    const noted = promise.finally(() => {
      done = true
    })
    noted.catch(() => undefined)
    for (let i = 0; i < 400 && !done; i++) await clock.advance(50)
    return noted
  }

  async function close(): Promise<void> {
    await Promise.all(running.map((mailbox) => mailbox.stop()))
  }

  return { clock, net, add, settle, close, members, index, disks }
}

export const signal = new AbortController().signal
