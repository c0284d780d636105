import {
  type BoxBytes,
  type Clock,
  dayOf,
  type Failpoints,
  isHearsayError,
  type Logger,
  type NodeId,
  type Rng,
  TaskGroup,
  toHex,
} from '../base/index.ts'
import { type ConversationOptions, Conversations, type JobRunner } from '../conversation/index.ts'
import { sign, signKeyPairFromSeed, x25519PublicKey } from '../crypto/index.ts'
import {
  courierCeiling,
  courierQuota,
  Directory,
  directoryTopicPlan,
  effectiveRate,
  epochAt,
  type Network,
  publishEvery,
} from '../directory/index.ts'
import { Gossip, gossipTopicPlans, storedPublications, streamBoxes } from '../gossip/index.ts'
import { Mailbox } from '../mailbox/index.ts'
import { type Emission, type KeeperAsk, Mix } from '../mix/index.ts'
import { createNet, type Net, type NetOptions, type NetPorts } from '../net/index.ts'
import type { Store } from '../store/index.ts'
import { coverBox } from '../stream/index.ts'
import type { LinkState } from './api.ts'
import { CatchUp } from './catch-up.ts'
import { CourierCounters } from './courier-counters.ts'
import { MixView } from './mix-view.ts'
import { ENOUGH_SPACE_BYTES, LOW_SPACE_BYTES, SENDING_SPACE_BYTES } from './upkeep.ts'

export interface SessionPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly store: Store
  readonly jobs: JobRunner
  /** Nodes that are refused, whatever they say. None by default. */
  readonly isBanned?: (nodeId: NodeId) => boolean
  /** Makes the net; libp2p by default. Simulations give one in memory. */
  readonly net?: (ports: NetPorts, options: NetOptions) => Net
  /** Hears of every own packet: it marks what cover hides, so only tests give one. */
  readonly onEmission?: (emission: Emission) => void
  readonly failpoints?: Failpoints
}

export interface SessionOptions {
  readonly network: Network
  readonly nodeSeed: Uint8Array
  readonly requestSeed: Uint8Array
  readonly keepsFromDay: number
  readonly listen: readonly string[]
  readonly announce: readonly string[] | undefined
  /** Whether others can dial this node; `auto`: the net finds out. */
  readonly reachable: 'auto' | 'yes' | 'no'
  /** Of the disk, at the last look before the start; `mailbox.fit` goes on from there. Without it there is room for all. */
  readonly freeBytes?: number
  /** What others' boxes may take on the disk, about. */
  readonly mailboxQuotaBytes?: number
}

// Links and gossip of one trip, generously.
const GOSSIP_TRIP_MS = 1000
// A link that was gone for longer than this counts as an absence.
const ABSENCE_MS = 30_000
const LINK_POLL_MS = 500
const HAND_OVER_MS = 10_000
// Each waits for about one reply at a time; more would only be further ahead of the slots.
const LOOK_UPS_MAX = 16
/** Others' boxes must not be what keeps the owner's messages from being accepted. */
const SPACE_MARKS = {
  noneBytes: SENDING_SPACE_BYTES,
  lowBytes: LOW_SPACE_BYTES,
  enoughBytes: ENOUGH_SPACE_BYTES,
}

interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/** Time between two moments by whichever clock saw more of it. */
function away(from: Moment, to: Moment): number {
  return Math.max(to.wall - from.wall, to.monotonic - from.monotonic)
}

/** The monotonic clock stands still while a machine sleeps, the wall clock does not. */
function sleptSince(from: Moment, to: Moment): boolean {
  return to.wall - from.wall - (to.monotonic - from.monotonic) > ABSENCE_MS
}

/**
 * This node in one network: net, directory, gossip, mailbox, slots and conversations, plugged together here
 * and nowhere else. The path of a box can be read from top to bottom.
 */
export class Session {
  readonly net: Net
  readonly directory: Directory
  readonly gossip: Gossip
  readonly mailbox: Mailbox
  readonly mix: Mix
  readonly conversations: Conversations
  readonly catchUp: CatchUp
  readonly #ports: SessionPorts
  readonly #options: SessionOptions
  readonly #tasks: TaskGroup
  #linkedAt: number | undefined
  #lostAt: Moment | undefined
  #lookedAt: Moment = { wall: 0, monotonic: 0 }
  #holdWaived = false
  #lookUps = 0

  constructor(ports: SessionPorts, options: SessionOptions) {
    const { clock, rng, store, jobs } = ports
    const log = ports.log
    const { network } = options
    const { parameters, id: networkId } = network
    const key = signKeyPairFromSeed(options.nodeSeed)
    this.#ports = ports
    this.#options = options
    this.#tasks = new TaskGroup(log.child('session'))

    const publicationsPerSecond = parameters.boxRate * parameters.copies
    this.net = (ports.net ?? createNet)(
      {
        clock,
        rng,
        log,
        dialTargets: () => this.directory.dialTargets(),
        isKnown: (nodeId) => this.directory.get(nodeId) !== undefined,
        allowPeer: (nodeId) =>
          !this.directory.isExcluded(nodeId) && ports.isBanned?.(nodeId) !== true,
      },
      {
        privateKeySeed: options.nodeSeed,
        listen: options.listen,
        ...(options.announce === undefined ? {} : { announce: options.announce }),
        reachable: options.reachable,
        pnetKey: network.pnetKey,
        networkTag: toHex(networkId).slice(0, 16),
        bootstraps: network.bootstraps,
        topics: [...gossipTopicPlans({ networkId, publicationsPerSecond }), directoryTopicPlan()],
      },
    )
    const { nodeId, pubsub, requests, peers } = this.net

    this.directory = new Directory(
      {
        store,
        clock,
        rng,
        log,
        pubsub,
        requests,
        peers,
        sign: (digest) => sign(digest, key.secretKey),
        canMix: () => this.mix.hasKey,
      },
      {
        network,
        nodeId,
        self: {
          addresses: [],
          reachable: false,
          keepsFromDay: options.keepsFromDay,
          mixKeys: [],
          requestKey: x25519PublicKey(options.requestSeed),
        },
      },
    )
    const { directory } = this

    const boxes = streamBoxes(networkId)
    this.mailbox = new Mailbox(
      {
        clock,
        rng,
        log,
        store,
        requests,
        peers,
        placement: directory.placement(),
        publications: storedPublications(networkId),
        verifyBox: (box) => boxes.verify(box),
      },
      {
        networkId,
        nodeId,
        parameters,
        requestSeed: options.requestSeed,
        marks: SPACE_MARKS,
        ...(options.mailboxQuotaBytes === undefined ? {} : { maxBytes: options.mailboxQuotaBytes }),
      },
    )
    const { mailbox } = this
    if (options.freeBytes !== undefined) mailbox.fit(options.freeBytes)

    this.gossip = new Gossip(
      {
        pubsub,
        clock,
        log,
        peers,
        boxes,
        epochs: { epochAt: (timeMs) => epochAt(network, timeMs) },
        couriers: {
          isCourier: (node, epoch) => {
            if (directory.isExcluded(node)) return 'no'
            if (directory.get(node) === undefined) return 'unknown'
            // A young network grows within its epoch, and with it the last layer: views of it differ.
            if (!directory.frozen(epoch).frozen) return 'yes'
            return directory.couriers(epoch).has(node) ? 'yes' : 'no'
          },
          quota: (_node, epoch) => {
            const { frozen, nodes } = directory.frozen(epoch)
            if (!frozen) return courierCeiling(parameters)
            return courierQuota(nodes.length, directory.couriers(epoch).fewest, parameters)
          },
        },
        known: mailbox,
        store: new CourierCounters({ store }),
        key: { nodeId, sign: (message) => sign(message, key.secretKey) },
      },
      { networkId, ttlDays: parameters.ttlDays, publicationsPerSecond },
    )
    const { gossip } = this

    const roundTripMs = () => this.#ackRoundTripMs()
    const conversationOptions: ConversationOptions = {
      networkId,
      ttlDays: parameters.ttlDays,
      windowSize: parameters.addressWindow,
      ackSettleMs: parameters.ackSettleMs,
      ackJitterMs: parameters.ackJitterMs,
      get ackRoundTripMs() {
        return roundTripMs()
      },
    }
    this.conversations = new Conversations(
      {
        clock,
        rng,
        log,
        store,
        jobs,
        boxes: mailbox,
        linked: () => this.#mayLeave(),
        ...(ports.failpoints === undefined ? {} : { failpoints: ports.failpoints }),
      },
      conversationOptions,
    )
    const { conversations } = this
    this.catchUp = new CatchUp({ clock, log, store, mailbox, conversations })

    this.mix = new Mix(
      {
        clock,
        rng,
        log,
        store,
        links: this.net.links,
        peers,
        directory: new MixView(directory, {
          network,
          nodeId,
          addresses: () => this.net.dialable(),
        }),
        source: {
          work: (signal) => conversations.work(signal),
          nextBox: () => conversations.nextBox(),
          published: (box, hasLeft) => conversations.published(box, hasLeft),
          coverBox: () => this.#coverBox(),
          nextAsk: (mayBeReal) => this.#nextAsk(mayBeReal),
        },
        publish: gossip,
        keeper: { answer: (sealed) => mailbox.answerSealed(sealed) },
        publishEvery: () => this.publishEvery,
        isLinked: () => this.#mayLeave(),
        onKeys: (mixKeys) => directory.updateSelf({ mixKeys }),
        ...(ports.onEmission === undefined ? {} : { onEmission: ports.onEmission }),
      },
      { ...parameters, originMs: network.createdAt, epochMs: parameters.layerEpochMs },
    )
  }

  /** Starts in the order of the path; a failed start stops what had started. */
  async start(): Promise<void> {
    const { gossip, mailbox, conversations } = this
    try {
      await conversations.start()
      await mailbox.start()
      gossip.onPublication(({ box, bytes, conflict }) => {
        conversations.hear(box, { conflict })
        this.#tasks.spawn('keep', () => mailbox.accept(bytes))
      })
      mailbox.onConfirmed((address) => conversations.confirmed(address))
      gossip.start()
      const mixKeys = await this.mix.prepare()
      await this.net.start()
      this.directory.updateSelf({ ...this.#ownPlace(), mixKeys })
      this.net.onReachability(() => this.directory.updateSelf(this.#ownPlace()))
      this.net.peers.onChange(({ nodeId, up }) => {
        if (up) this.mix.connected(nodeId)
      })
      await this.directory.start()
      this.mix.start()
      this.#tasks.spawn('link', (signal) => this.#watchLink(signal))
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /**
   * The user wants what waits to leave now (`send --now`), whatever its time tells. Said before the link is there,
   * it counts for the coming back that is about to happen.
   */
  releaseHold(): void {
    this.mix.releaseHold()
    this.#holdWaived = this.#linkedAt === undefined
  }

  /** Before leaving for good: the boxes that this node keeps go to the nodes that keep them next. */
  async handOver(): Promise<void> {
    const { clock, log } = this.#ports
    const late = new AbortController()
    const timer = clock.setTimer(HAND_OVER_MS, () => late.abort())
    try {
      await this.mailbox.handOver(late.signal)
    } catch (error) {
      // Neighbours reconcile what was not handed over; leaving must not depend on them.
      log.debug('handing over was cut short', {
        code: isHearsayError(error) ? error.code : 'aborted',
      })
    } finally {
      timer.cancel()
    }
  }

  /** Ends every part, also when one of them fails: one that cannot write any more must not stay on the net. */
  async stop(options: { readonly hurried?: boolean } = {}): Promise<void> {
    const steps = [
      // First, so that packets go another way while those that are here are handed on.
      () => this.directory.leave(),
      () => this.mix.stop(options),
      () => this.#tasks.stop(),
      () => this.mailbox.stop(),
      () => this.directory.stop(),
      () => this.net.stop(),
    ]
    const faults: unknown[] = []
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        faults.push(error)
      }
    }
    if (faults.length > 0) throw faults[0]
  }

  /** Nodes that everybody counts on in this epoch, at least this one. */
  get nodeCount(): number {
    return Math.max(1, this.directory.frozen(this.directory.epoch).nodes.length)
  }

  get publishEvery(): number {
    return publishEvery(this.nodeCount, this.#options.network.parameters)
  }

  /** Distinct boxes per second of the whole network. */
  get boxesPerSecond(): number {
    return effectiveRate(this.nodeCount, this.#options.network.parameters)
  }

  get link(): LinkState {
    return this.gossip.meshPeers() > 0 && this.mix.isReady ? 'linked' : 'joining'
  }

  /** `link` for its owner: a way over this node alone, which takes what no other says of itself, leads nowhere. */
  get shownLink(): LinkState {
    return this.directory.knowsOthers ? this.link : 'joining'
  }

  get linkedAt(): number | undefined {
    return this.#linkedAt
  }

  #ownPlace(): { addresses: string[]; reachable: boolean } {
    const addresses = this.net.reachability() === 'reachable' ? this.net.dialable() : []
    return { addresses, reachable: addresses.length > 0 }
  }

  /** What an ack usually takes: settle time and two trips of a round of cycles, the mixes and gossip. */
  #ackRoundTripMs(): number {
    const { parameters } = this.#options.network
    const { ackSettleMs, ackJitterMs, copies, slotMs, layers, mixDelayMs } = parameters
    const round = this.publishEvery * copies * slotMs
    const trip = round + 1.5 * layers * mixDelayMs + GOSSIP_TRIP_MS
    return ackSettleMs + ackJitterMs + 2 * trip
  }

  #coverBox(): BoxBytes {
    const { clock, rng } = this.#ports
    const { network } = this.#options
    const expiryDay = dayOf(clock.now()) + network.parameters.ttlDays
    return coverBox({ networkId: network.id, expiryDay, rng })
  }

  /**
   * What conversations want to know goes first, a few look-ups at a time; else a question that nobody waits for. Right
   * after coming back nothing real is asked: the keeper of a box that a contact knows would see who has just returned.
   */
  #nextAsk(mayBeReal: boolean): KeeperAsk | undefined {
    if (!mayBeReal) return this.mailbox.idleQuestion()
    while (this.#lookUps < LOOK_UPS_MAX) {
      const job = this.conversations.nextLookUp()
      if (job === undefined) break
      this.#lookUps++
      this.#tasks.spawn('look up', async (signal) => {
        try {
          const { address, day, isAudit } = job
          job.done(await this.mailbox.fetch(address, day, signal, { isAudit }))
        } catch (error) {
          job.done({ status: 'unreachable' })
          if (!isHearsayError(error)) throw error
        } finally {
          this.#lookUps--
        }
      })
    }
    return this.mailbox.nextQuestion() ?? this.mailbox.idleQuestion()
  }

  /** Real boxes wait until the link was noticed, and with it the hold that an absence asks for. */
  #mayLeave(): boolean {
    if (this.#linkedAt === undefined || this.link !== 'linked') return false
    // Timers run on at once after a sleep of the machine, before `watchLink` has looked.
    const { clock } = this.#ports
    return !sleptSince(this.#lookedAt, { wall: clock.now(), monotonic: clock.monotonic() })
  }

  /**
   * After every absence: what was missed is reconciled, looked for and, for a while, not answered. A machine that
   * slept was absent too: the monotonic clock stands still then, and the wall clock tells.
   */
  async #watchLink(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    this.#lookedAt = { wall: clock.now(), monotonic: clock.monotonic() }
    while (!signal.aborted) {
      const now = { wall: clock.now(), monotonic: clock.monotonic() }
      const slept = sleptSince(this.#lookedAt, now)
      if (slept && this.#linkedAt !== undefined) this.#lose(this.#lookedAt)
      const linked = this.link === 'linked'
      if (linked && this.#linkedAt === undefined) {
        const absent = this.#lostAt === undefined || away(this.#lostAt, now) > ABSENCE_MS
        // Before `#linkedAt`: until then nothing real leaves.
        if (absent && !this.#holdWaived) this.mix.hold()
        this.#holdWaived = false
        this.#linkedAt = now.wall
        if (absent) this.#tasks.spawn('catch up', (stop) => this.catchUp.run(stop))
      } else if (!linked && this.#linkedAt !== undefined) {
        this.#lose(now)
      }
      this.#lookedAt = now
      await clock.sleep(LINK_POLL_MS, signal)
    }
  }

  #lose(at: Moment): void {
    this.#linkedAt = undefined
    this.#lostAt = at
  }
}
