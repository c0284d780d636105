import { equalBytes, type NodeId, toHex } from '../../src/base/index.ts'
import { PUBLICATION_HEADER_BYTES } from '../../src/gossip/constants.ts'
import { publicationId } from '../../src/gossip/index.ts'
import type { Emission } from '../../src/mix/index.ts'
import { BOX_BYTES, parseBox } from '../../src/stream/index.ts'
import type { Sighting } from './cadence.ts'
import type { Sent } from './memory-net.ts'
import type { World, WorldNode } from './world.ts'

/** A packet of a node's own. */
export interface OwnPacket {
  readonly slot: number
  readonly kind: Emission['kind']
  /** Wall clock, milliseconds, fractional: the moment that was drawn for it. */
  readonly dueAt: number
  /** When it was on the link; undefined when it never was. */
  at: number | undefined
  size: number
  /** Whether it published something real; what no observer can see. Told of the first copy only. */
  real: boolean
}

interface Frame {
  /** The mix has handed it to the link. */
  handed: { to: NodeId; at: number } | undefined
  seen: Sighting | undefined
  own: OwnPacket | undefined
}

// kind 1 | ephemeral key of a packet, or the random name of an answer.
const FRAME_NAME_BYTES = 33

/**
 * Everything that leaves the links of one node. The frames look alike; which are the node's own its mix has said, and
 * what it did not hand to the links itself is counted as stray.
 */
export class Capture {
  readonly packets: OwnPacket[] = []
  readonly #world: World
  readonly #node: WorldNode
  readonly #frames = new Map<string, Frame>()
  readonly #sizes = new Set<number>()
  readonly #ends: (() => void)[] = []
  #last: Frame | undefined

  private constructor(world: World, node: WorldNode) {
    this.#world = world
    this.#node = node
  }

  /** To be made after whatever else changes what the node sends. */
  static of(world: World, node: WorldNode): Capture {
    const capture = new Capture(world, node)
    capture.#watchLinks()
    capture.#watchEmissions()
    capture.#watchReal()
    return capture
  }

  stop(): void {
    for (const end of this.#ends.splice(0).toReversed()) end()
  }

  /** Wall clock now, fractional: what `measureCadence` counts in. */
  get now(): number {
    return this.#world.network.createdAt + this.#world.clock.monotonic()
  }

  /** Own packets as they crossed their link. */
  get sightings(): Sighting[] {
    return this.packets.flatMap(({ at, size }) => (at === undefined ? [] : [{ at, size }]))
  }

  /** Frames on the node's links that its mix knows nothing of. */
  get stray(): number {
    return [...this.#frames.values()].filter(({ handed }) => handed === undefined).length
  }

  /** Sizes of all mix frames of all nodes. */
  get sizes(): number[] {
    return [...this.#sizes]
  }

  /** Moments within the slot, 0 to 1, of publications that were real and of cover. */
  momentsInSlot(): { real: number[]; cover: number[] } {
    const { slotMs } = this.#world.network.parameters
    const moments = (real: boolean) =>
      this.packets
        .filter((packet) => packet.kind === 'publish' && packet.real === real)
        .flatMap(({ at }) => (at === undefined ? [] : [at]))
        .map((at) => ((at - this.#world.network.createdAt) % slotMs) / slotMs)
    return { real: moments(true), cover: moments(false) }
  }

  #frame(bytes: Uint8Array): Frame {
    const name = toHex(bytes.subarray(0, FRAME_NAME_BYTES))
    const known = this.#frames.get(name)
    if (known !== undefined) return known
    const frame = { handed: undefined, seen: undefined, own: undefined }
    this.#frames.set(name, frame)
    return frame
  }

  #watchLinks(): void {
    const { links } = this.#node.session.net
    const send = links.send.bind(links)
    links.send = (peer, protocol, bytes) => {
      const frame = this.#frame(bytes)
      frame.handed = { to: peer, at: this.#world.clock.monotonic() }
      this.#last = frame
      return send(peer, protocol, bytes)
    }
    this.#ends.push(() => {
      links.send = send
    })
    this.#ends.push(this.#world.air.tap((sent) => this.#see(sent)))
  }

  #see({ kind, from, bytes, at }: Sent): void {
    if (kind !== 'frame') return
    this.#sizes.add(bytes.length)
    if (!equalBytes(from, this.#node.nodeId)) return
    const frame = this.#frame(bytes)
    frame.seen ??= { at: this.#world.network.createdAt + at, size: bytes.length }
    if (frame.own !== undefined) Object.assign(frame.own, frame.seen)
  }

  /** The mix tells of a packet in the turn in which it has handed it over. */
  #watchEmissions(): void {
    const { emissionListeners } = this.#node
    const listener = ({ slot, kind, dueAt, sentAt, to }: Emission): void => {
      const { createdAt } = this.#world.network
      const packet: OwnPacket = {
        slot,
        kind,
        dueAt: createdAt + dueAt,
        at: undefined,
        size: 0,
        real: false,
      }
      const frame = this.#last
      if (frame?.handed?.at === sentAt && equalBytes(frame.handed.to, to)) {
        frame.own = packet
        if (frame.seen !== undefined) Object.assign(packet, frame.seen)
      }
      this.packets.push(packet)
    }
    emissionListeners.add(listener)
    this.#ends.push(() => emissionListeners.delete(listener))
  }

  /** The mix tells the conversations what became of real boxes, and of no other. */
  #watchReal(): void {
    const { conversations } = this.#node.session
    const published = conversations.published.bind(conversations)
    conversations.published = (box, hasLeft) => {
      const last = this.packets.findLast(({ kind }) => kind === 'publish')
      if (last !== undefined && hasLeft) last.real = true
      return published(box, hasLeft)
    }
    this.#ends.push(() => {
      conversations.published = published
    })
  }
}

/** A box in gossip, as everybody sees it. */
export interface SeenPublication extends Sighting {
  readonly courier: string
  readonly address: string
  /** UTC day, days since 1970. */
  readonly expiryDay: number
  /** Whether it carries something; what no observer can see. */
  readonly real: boolean
}

// version 1 | network id 32 | epoch 4 | courier.
const COURIER_AT = 37

/** All publications of a network, each at the moment at which its courier hands it to the first neighbour. */
export class Publications {
  readonly seen: SeenPublication[] = []
  readonly #ids = new Set<string>()
  /** Addresses of boxes that left a conversation. */
  readonly #real = new Set<string>()

  static of(world: World): Publications {
    const publications = new Publications()
    world.air.tap(({ kind, name, bytes, at }) => {
      if (kind === 'gossip' && name === world.topic) {
        publications.#note(bytes, world.network.createdAt + at)
      }
    })
    for (const { session } of world.nodes) {
      const { conversations } = session
      const nextBox = conversations.nextBox.bind(conversations)
      conversations.nextBox = async () => {
        const box = await nextBox()
        if (box !== undefined) publications.#real.add(toHex(parseBox(box).address))
        return box
      }
    }
    return publications
  }

  #note(bytes: Uint8Array, at: number): void {
    const id = toHex(publicationId(bytes))
    if (this.#ids.has(id)) return
    this.#ids.add(id)
    const end = PUBLICATION_HEADER_BYTES + BOX_BYTES
    const { address, expiryDay } = parseBox(bytes.subarray(PUBLICATION_HEADER_BYTES, end))
    this.seen.push({
      at,
      size: bytes.length,
      courier: toHex(bytes.subarray(COURIER_AT, COURIER_AT + 32)),
      address: toHex(address),
      expiryDay,
      real: this.#real.has(toHex(address)),
    })
  }
}
