import { toHex } from '../../src/base/index.ts'
import { decodePublication } from '../../src/gossip/index.ts'
import { BOX_SALT_BYTES, boxHash, parseBox } from '../../src/stream/index.ts'
import type { World } from './world.ts'

/** Hears everything that any courier of a world publishes: which boxes each address and each counter carried. */
export class UsedOnce {
  readonly #byAddress = new Map<string, Set<string>>()
  readonly #byCounter = new Map<string, Set<string>>()
  /** What a box of each address begins with: its salt, if it is a salted one. */
  readonly #salts = new Map<string, Map<string, string>>()
  /** The last publication. */
  last: Uint8Array | undefined

  constructor(world: World) {
    world.air.tap(({ kind, name, bytes }) => {
      if (kind === 'gossip' && name === world.topic) this.#note(bytes)
    })
  }

  /** Addresses of boxes so far. */
  get size(): number {
    return this.#byAddress.size
  }

  /** Addresses, hexadecimal, of more than one box. */
  addressesUsedTwice(): string[] {
    return twice(this.#byAddress)
  }

  /** A courier's counters of more than one box. */
  countersUsedTwice(): string[] {
    return twice(this.#byCounter)
  }

  /** Boxes of these addresses, and the different salts that they have, both counted by address. */
  salted(addresses: ReadonlySet<string>): { boxes: number; salts: number } {
    const found = [...this.#salts].filter(([address]) => addresses.has(address))
    return {
      boxes: found.reduce((sum, [, boxes]) => sum + boxes.size, 0),
      salts: found.reduce((sum, [, boxes]) => sum + new Set(boxes.values()).size, 0),
    }
  }

  #note(bytes: Uint8Array): void {
    this.last = bytes.slice()
    const { box, courier, epoch, counter } = decodePublication(bytes)
    const hash = toHex(boxHash(box))
    const { address, sealed } = parseBox(box)
    const at = toHex(address)
    const salts = this.#salts.get(at) ?? new Map<string, string>()
    this.#salts.set(at, salts.set(hash, toHex(sealed.subarray(0, BOX_SALT_BYTES))))
    add(this.#byAddress, at, hash)
    add(this.#byCounter, `${toHex(courier)}/${epoch}/${counter}`, hash)
  }
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value))
}

function twice(map: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  return [...map].filter(([, boxes]) => boxes.size > 1).map(([key]) => key)
}
