import type { Rng } from '../base/index.ts'
import { type Geometry, type MixSuite, sphinxGeometry, wrapPacket } from '../sphinx/index.ts'
import type { MixNode } from './ports.ts'
import type { Layers } from './route.ts'

/**
 * The layers without mixes whose key no packet can be made for: a point of small order, or a key of another suite.
 * One such descriptor would otherwise silence the slots of all nodes that draw it. Everybody refuses the same keys, so
 * routes stay the same for all.
 */
export class UsableMixes {
  readonly #rng: Rng
  readonly #probe: Geometry
  readonly #refused = new WeakSet<Uint8Array>()
  #known = new WeakMap<Layers<MixNode>, { readonly usable: Layers<MixNode> | undefined }>()

  constructor(ports: { rng: Rng }, options: { suite: MixSuite }) {
    this.#rng = ports.rng
    this.#probe = sphinxGeometry({ suite: options.suite, hops: 1, bodyBytes: 1 })
  }

  /** undefined when a layer has none. The same object until something changes. */
  of(layers: Layers<MixNode> | undefined): Layers<MixNode> | undefined {
    if (layers === undefined) return undefined
    const known = this.#known.get(layers)
    if (known !== undefined) return known.usable
    const left = layers.map((layer) => layer.filter((mix) => !this.#refused.has(mix.publicKey)))
    const usable = left.every((layer) => layer.length > 0) ? left : undefined
    this.#known.set(layers, { usable })
    return usable
  }

  /** Called when a packet could not be made: refuses those of its mixes that are to blame. False when none is. */
  refuse(mixes: readonly MixNode[]): boolean {
    const bad = mixes.filter((mix) => !this.#isUsable(mix))
    for (const { publicKey } of bad) this.#refused.add(publicKey)
    if (bad.length > 0) this.#known = new WeakMap()
    return bad.length > 0
  }

  #isUsable({ nodeId, publicKey }: MixNode): boolean {
    const plaintext = new Uint8Array(this.#probe.plaintextBytes)
    try {
      wrapPacket(this.#rng, this.#probe, [{ nodeId, publicKey, delayMs: 0 }], plaintext)
      return true
    } catch {
      return false
    }
  }
}
