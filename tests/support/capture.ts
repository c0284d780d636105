import { type BoxBytes, equalBytes, toHex } from '../../src/base/index.ts'
import { publicationId } from '../../src/gossip/index.ts'
import { PUBLICATION_HEADER_BYTES } from '../../src/gossip/constants.ts'
import { BOX_BYTES } from '../../src/stream/index.ts'
import type { Sighting } from './cadence.ts'
import type { World, WorldNode } from './world.ts'

export interface Captured extends Sighting {
  readonly box: BoxBytes
  /** Whether it carried something; what no observer can see. */
  real: boolean
}

// version 1 | network id 32 | epoch 4 | courier: read by offset, because a planted leak may not decode.
const COURIER_AT = 37

/**
 * Everything that a node itself publishes, at the moment it hands it to its first neighbour, with the size on
 * the wire. Also notes which of it was real, so that a test can look for differences.
 */
export class Capture {
  readonly sightings: Captured[] = []
  /** Sizes of all messages on the publications topic, of all nodes. */
  readonly sizes = new Set<number>()
  readonly #world: World
  readonly #node: WorldNode
  readonly #seen = new Map<string, Captured>()
  #stop: () => void = () => undefined

  private constructor(world: World, node: WorldNode) {
    this.#world = world
    this.#node = node
  }

  static of(world: World, node: WorldNode): Capture {
    const capture = new Capture(world, node)
    capture.#stop = world.air.tap(({ kind, name, bytes, from, at }) => {
      if (kind !== 'gossip' || name !== world.topic) return
      capture.sizes.add(bytes.length)
      if (equalBytes(from, node.nodeId)) capture.#note(bytes, at)
    })
    capture.#watchReal()
    return capture
  }

  stop(): void {
    this.#stop()
  }

  /** Wall clock now, fractional: what `measureCadence` counts in. */
  get now(): number {
    return this.#world.network.createdAt + this.#world.clock.monotonic()
  }

  /** Moments within the slot, 0 to 1, of what was real and of what was cover. */
  momentsInSlot(): { real: number[]; cover: number[] } {
    const { slotMs } = this.#world.network.parameters
    const moments = (real: boolean) =>
      this.sightings
        .filter((sighting) => sighting.real === real)
        .map(({ at }) => ((at - this.#world.network.createdAt) % slotMs) / slotMs)
    return { real: moments(true), cover: moments(false) }
  }

  #note(bytes: Uint8Array, at: number): void {
    if (!equalBytes(bytes.subarray(COURIER_AT, COURIER_AT + 32), this.#node.nodeId)) return
    const id = toHex(publicationId(bytes))
    if (this.#seen.has(id)) return
    const sighting: Captured = {
      at: this.#world.network.createdAt + at,
      size: bytes.length,
      box: bytes.slice(PUBLICATION_HEADER_BYTES, PUBLICATION_HEADER_BYTES + BOX_BYTES) as BoxBytes,
      real: false,
    }
    this.#seen.set(id, sighting)
    this.sightings.push(sighting)
  }

  /** The slot clock tells the conversations what became of real boxes, and of no other. */
  #watchReal(): void {
    const { conversations } = this.#node.session
    const published = conversations.published.bind(conversations)
    conversations.published = (box, hasLeft) => {
      const last = this.sightings.findLast((sighting) => equalBytes(sighting.box, box))
      if (last !== undefined && hasLeft) last.real = true
      return published(box, hasLeft)
    }
  }
}
