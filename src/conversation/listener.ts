import { type Address, type BoxBytes, equalBytes, toHex } from '../base/index.ts'
import { parseBox } from '../stream/index.ts'
import { ADDRESSES_PER_TURN, BOXES_PER_TURN, HEARD_MAX } from './constants.ts'
import type { Heard } from './incoming.ts'
import type { ConversationOptions, LocalBoxes } from './ports.ts'
import type { Watch, WatchRef } from './watch.ts'

export interface ListenerPorts {
  readonly watch: Watch
  readonly boxes: LocalBoxes
}

/**
 * Recognises the boxes that this device waits for and notes them for the next slot. Hearing is one look-up,
 * the same for every box; nothing else is begun by an arrival. All queues are bounded: what does not fit is
 * left to the local store and found there again.
 */
export class Listener {
  readonly #ports: ListenerPorts
  readonly #options: ConversationOptions
  readonly #heard: Heard[] = []
  // Kept beside the queue, so that hearing a contact takes no longer the more of its boxes wait.
  readonly #noted = new Set<WatchRef>()
  readonly #conflicts = new Set<WatchRef>()
  readonly #confirmed: Address[] = []
  #rescan = false

  constructor(ports: ListenerPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Looks through the local store again at the next slot. */
  rescan(): void {
    this.#rescan = true
  }

  /** Takes the request for a rescan. */
  takeRescan(): boolean {
    const wanted = this.#rescan
    this.#rescan = false
    return wanted
  }

  /** The boxes that were heard first, at most `BOXES_PER_TURN`. */
  takeHeard(): Heard[] {
    const taken = this.#heard.splice(0, BOXES_PER_TURN)
    for (const { ref } of taken) this.#noted.delete(ref)
    return taken
  }

  takeConflicts(): WatchRef[] {
    const conflicts = [...this.#conflicts]
    this.#conflicts.clear()
    return conflicts
  }

  /**
   * Notes a verified box if any conversation waits for it. `conflict`: there is another one under its address. True: it was
   * not noted before.
   */
  hear(box: BoxBytes, conflict: boolean): boolean {
    const { address, expiryDay } = parseBox(box)
    const ref = this.#ports.watch.find(address)
    if (ref === undefined) return false
    if (conflict && isOfOneWriter(ref)) this.#conflicts.add(ref)
    if (ref.kind === 'taken') return false
    if (this.#heard.length >= HEARD_MAX) {
      this.#rescan = true
      return true
    }
    const isNews = !this.#noted.has(ref)
    this.#noted.add(ref)
    const day = expiryDay - this.#options.ttlDays
    this.#heard.push({ ref, box: box.slice() as BoxBytes, day })
    return isNews
  }

  /**
   * Boxes that were found under one address, or under several: two under one are a conflict. True: one was not noted
   * before.
   */
  found(boxes: readonly BoxBytes[]): boolean {
    let isNews = false
    const first = new Map<string, BoxBytes>()
    for (const box of boxes) {
      const key = toHex(parseBox(box).address)
      const other = first.get(key) ?? box
      first.set(key, other)
      if (this.hear(box, !equalBytes(other, box))) isNews = true
    }
    return isNews
  }

  /** The local store gives the box of this address out from now on. */
  confirmed(address: Address): void {
    if (this.#ports.watch.find(address) !== undefined) this.#confirmed.push(address)
  }

  /** Some of the addresses of boxes that were confirmed. */
  takeConfirmed(): Address[] {
    return this.#confirmed.splice(0, ADDRESSES_PER_TURN)
  }

  /** Looks these addresses up in the local store. */
  async lookUp(addresses: readonly Address[]): Promise<void> {
    if (addresses.length > 0) this.found(await this.#ports.boxes.find(addresses))
  }
}

/**
 * A claim address belongs to every holder of the invitation, a reset address to every device that an account had, and
 * a stream that is over is read for what it still brings; every other address has one writer.
 */
export function isOfOneWriter(ref: WatchRef): boolean {
  if (ref.kind === 'claim' || ref.kind === 'reset') return false
  if (ref.kind === 'candidate' || ref.kind === 'verdict') return true
  const { reader, claims } = ref.contact
  return ref.reader === reader || [...claims.values()].includes(ref.reader)
}
