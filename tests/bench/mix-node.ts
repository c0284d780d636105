/** A process of the mix benches with one or more nodes that run as in a daemon: real sockets, sessions, jobs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger, systemClock, systemRng } from '../../src/base/index.ts'
import { sign, signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { epochAt, inspectNetwork, type Network } from '../../src/directory/index.ts'
import { encodeHeader, encodePublication, publicationDigest } from '../../src/gossip/publication.ts'
import type { JobRunner } from '../../src/conversation/index.ts'
import type { Emission } from '../../src/mix/index.ts'
import { MIX_PROTOCOL } from '../../src/mix/mix-links.ts'
import { createNet } from '../../src/net/index.ts'
import { Session } from '../../src/node/session.ts'
import { WorkerJobs } from '../../src/node/worker-jobs.ts'
import { openMemoryStore, openStore, type Store } from '../../src/store/index.ts'
import { boxHash, coverBox } from '../../src/stream/index.ts'
import { cpuMsSince, rssMb, serve } from './mix-child.ts'
import { Commits } from './mix-commits.ts'
import type { NodePlan } from './mix-fleet.ts'
import { LoopProbe, LoopProfile, type LongTask, type ProbeReport } from './mix-probe.ts'

interface Running {
  readonly session: Session
  readonly jobs: JobRunner
  readonly store: Store
  readonly seed: Uint8Array
  readonly network: Network
}

export interface Usage {
  /** User and system time of the process, all threads, milliseconds. */
  readonly cpuMs: number
  readonly rssMb: number
  /** Frames written to mix links, and their bytes with the length in front. */
  readonly frames: number
  readonly bytes: number
  readonly connected: number
  readonly publishEvery: number
}

export interface Phase extends ProbeReport {
  /** How much later than drawn each packet was written, milliseconds. */
  readonly lateMs: readonly number[]
  /** Jobs of public-key cryptography that were begun. */
  readonly jobs: number
}

const DAY_MS = 86_400_000
const FRAME_LENGTH_BYTES = 4
const PORTS = { clock: systemClock, rng: systemRng, log: silentLogger }
/** Texts to one contact that wait, while as many are sent as the slots take. */
const BACKLOG = 8
const CHATTER_MS = 250
const RECONCILE_MS = 500
const COMMIT_MS = 500
/** Beyond all counters that a courier of a bench really uses. */
const COUNTERS_FROM = 1_000_000
/** Texts are short: many fit a box. */
const TEXT = 'as many as the slots take '.repeat(8)

const nodes: Running[] = []
const cpuAtStart = process.cpuUsage()
const probe = new LoopProbe()
let profile: LoopProfile | undefined
let lateMs: number[] = []
let [frames, bytes] = [0, 0]
let stuffed = 0
let jobsBegun = 0
let stop = new AbortController()

async function startOne(plan: NodePlan, network: Network): Promise<Running> {
  const store =
    plan.dir === undefined
      ? await openMemoryStore(PORTS)
      : await openStore(PORTS, { dir: plan.dir })
  const jobs = counted(new WorkerJobs(PORTS))
  const session = new Session(
    {
      ...PORTS,
      store,
      jobs,
      net: (ports, options) => {
        const net = createNet(ports, options)
        const send = net.links.send.bind(net.links)
        net.links.send = (peer, protocol, frame) => {
          const hasLeft = send(peer, protocol, frame)
          if (hasLeft && protocol === MIX_PROTOCOL) {
            frames++
            bytes += FRAME_LENGTH_BYTES + frame.length
          }
          return hasLeft
        }
        return net
      },
      onEmission: ({ dueAt, sentAt }: Emission) => void lateMs.push(sentAt - dueAt),
    },
    {
      network,
      nodeSeed: plan.seed,
      requestSeed: systemRng.bytes(32),
      keepsFromDay: 0,
      listen: [plan.listen],
      announce: undefined,
      reachable: 'yes',
    },
  )
  await session.start()
  return { session, jobs, store, seed: plan.seed, network }
}

/** Counts the jobs of all nodes of this process. */
function counted(jobs: JobRunner): JobRunner {
  return new Proxy(jobs, {
    get: (target, name) => {
      jobsBegun++
      return Reflect.get(target, name, target) as unknown
    },
  })
}

function nodeAt(index: number): Running {
  const node = nodes[index]
  if (node === undefined) throw new Error('no such node')
  return node
}

function isLinked({ session }: Running, count: number): boolean {
  const { links, state } = session.mix.status()
  return (
    session.link === 'linked' &&
    session.directory.nodes().length >= count &&
    session.gossip.meshPeers() >= Math.min(3, count - 1) &&
    state !== 'no-route' &&
    links.open === links.wanted
  )
}

/** Keeps every contact of a node supplied with texts. */
async function chatter({ session, store }: Running, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const waiting = session.conversations.depth().queued
    const ready = session.conversations.contacts().filter(({ phase }) => phase === 'ready')
    for (const { alias } of waiting < BACKLOG * ready.length ? ready : []) {
      const batch = store.batch()
      session.conversations.send(batch, { to: alias, text: TEXT, expiresInMs: undefined })
      await batch.commit()
    }
    await sleep(CHATTER_MS)
  }
}

/** Commits of conversations that are used more than the slots of this network allow. */
async function commit({ jobs, network }: Running, signal: AbortSignal): Promise<void> {
  const commits = await Commits.between(jobs, network.id)
  while (!signal.aborted) {
    await commits.next()
    await sleep(COMMIT_MS)
  }
}

/** Compares hot boxes with one connected node after another. */
async function reconcile({ session }: Running, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const peers = session.net.peers.connected()
    const peer = peers[turn % peers.length]
    if (peer !== undefined) await session.mailbox.reconcileHot(peer, signal, 'now')
    await sleep(RECONCILE_MS)
  }
}

/** Boxes that only this node has: the others get them by reconciliation. */
async function stuff({ session, network, seed }: Running, count: number): Promise<void> {
  const { nodeId: courier } = session.net
  const { id: networkId, parameters } = network
  const { secretKey } = signKeyPairFromSeed(seed)
  const epoch = epochAt(network, Date.now())
  const expiryDay = Math.floor(Date.now() / DAY_MS) + parameters.ttlDays
  for (let i = 0; i < count; i++) {
    const box = coverBox({ networkId, expiryDay, rng: systemRng })
    const header = { networkId, epoch, courier, counter: COUNTERS_FROM + stuffed++ }
    const digest = publicationDigest(encodeHeader(header), boxHash(box))
    const publication = encodePublication({ ...header, box, signature: sign(digest, secretKey) })
    await session.mailbox.accept(publication)
  }
}

export const handlers = {
  start: async (o: { plans: readonly NodePlan[]; file: string }): Promise<void> => {
    const network = inspectNetwork(o.file, { now: Date.now() })
    for (const plan of o.plans) nodes.push(await startOne(plan, network))
  },

  isLinked: (o: { nodes: number }): boolean => nodes.every((node) => isLinked(node, o.nodes)),

  usage: (): Usage => ({
    cpuMs: cpuMsSince(cpuAtStart),
    rssMb: rssMb(),
    frames,
    bytes,
    connected: nodeAt(0).session.net.peers.connected().length,
    publishEvery: nodeAt(0).session.publishEvery,
  }),

  invite: async (o: { node: number; alias: string }): Promise<string> => {
    const { session, store } = nodeAt(o.node)
    const batch = store.batch()
    const { uri } = session.conversations.invite(batch, { alias: o.alias, ttlMs: DAY_MS })
    await batch.commit()
    return uri
  },

  accept: async (o: { node: number; uri: string; alias: string }): Promise<void> => {
    const { session, store } = nodeAt(o.node)
    const batch = store.batch()
    session.conversations.add(batch, o)
    await batch.commit()
  },

  /** Contacts of all nodes that are ready. */
  ready: (): number =>
    nodes.flatMap(({ session }) =>
      session.conversations.contacts().filter(({ phase }) => phase === 'ready'),
    ).length,

  /**
   * Texts to all contacts, reconciliation with all neighbours, every so often boxes that others lack, and commits
   * when asked for.
   */
  work: (o: { boxes: number; everyMs: number; commits: boolean }): void => {
    stop = new AbortController()
    const { signal } = stop
    const failed = (error: unknown) => {
      if (!signal.aborted) throw error
    }
    for (const node of nodes) {
      chatter(node, signal).catch(failed)
      reconcile(node, signal).catch(failed)
      if (o.commits) commit(node, signal).catch(failed)
      const more = async () => {
        while (!signal.aborted && o.boxes > 0) {
          await stuff(node, o.boxes)
          await sleep(o.everyMs)
        }
      }
      more().catch(failed)
    }
  },

  rest: (): void => stop.abort(),

  /** Keeps the loop busy for a share of the time, with tasks of `taskMs`. */
  load: (o: { share: number; taskMs: number }): void => {
    stop = new AbortController()
    const { signal } = stop
    const begun = performance.now()
    let spent = 0
    const turn = () => {
      if (signal.aborted) return
      const at = performance.now()
      if (spent >= o.share * (at - begun)) {
        setTimeout(turn, 1)
        return
      }
      while (performance.now() - at < o.taskMs);
      spent += performance.now() - at
      setImmediate(turn)
    }
    turn()
  },

  beginPhase: (): void => {
    lateMs = []
    jobsBegun = 0
    probe.start()
  },

  endPhase: (): Phase => {
    const report = probe.stop()
    return { ...report, lateMs, jobs: jobsBegun }
  },

  beginProfile: async (): Promise<void> => {
    profile = new LoopProfile()
    await profile.start()
  },

  endProfile: async (o: { count: number }): Promise<LongTask[]> =>
    (await profile?.stop(o.count)) ?? [],
}

if (import.meta.main) serve(handlers)
