import { type Address, type BoxBytes, equalBytes, toHex } from '../base/index.ts'
import { boxHash, parseBox } from '../stream/index.ts'
import { BOXES_PER_TURN, DEFERRED_MAX, HEARD_MAX, UNCONFIRMED_MAX } from './constants.ts'
import { type Contact, hasMet, isFormer } from './contact.ts'
import type { Heard } from './incoming.ts'
import type { Ledger } from './ledger.ts'
import type { ConversationOptions, LocalBoxes } from './ports.ts'
import type { StreamReader } from './reader.ts'
import { confirm } from './unconfirmed.ts'
import type { Watch, WatchRef } from './watch.ts'

export interface Arrival {
  /** False: only one peer is known to have it, so nothing may react to it yet. */
  readonly confirmed: boolean
  /** Another box was heard under the same address. */
  readonly conflict: boolean
}

export interface ListenerPorts {
  readonly ledger: Ledger
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
  /** How many of these wait for a contact, and the same by hexadecimal hash. */
  readonly #unconfirmed = new Map<Contact, number>()
  readonly #heardAlone = new Map<string, Heard>()
  readonly #conflicts = new Set<WatchRef>()
  /** Hashes of unconfirmed boxes that were left alone: they count once they are confirmed. */
  readonly #deferred = new Set<string>()
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
    for (const heard of taken) {
      this.#noted.delete(heard.ref)
      if (!heard.confirmed) this.#noLongerAlone(heard)
    }
    return taken
  }

  takeConflicts(): WatchRef[] {
    const conflicts = [...this.#conflicts]
    this.#conflicts.clear()
    return conflicts
  }

  /** Notes a verified box if any conversation waits for it. True: it was not noted before. */
  hear(box: BoxBytes, { confirmed, conflict }: Arrival): boolean {
    const { address, expiryDay } = parseBox(box)
    const ref = this.#ports.watch.find(address)
    if (ref === undefined) return false
    if (conflict && isOfOneWriter(ref)) this.#conflicts.add(ref)
    if (ref.kind === 'taken') {
      return confirmed && ref.contact.unconfirmed.size > 0 && this.confirmed(boxHash(box))
    }
    if (!confirmed && !this.#mayBeShown(ref)) {
      this.#defer(toHex(boxHash(box)))
      return false
    }
    if (this.#heard.length >= HEARD_MAX) {
      this.#rescan = true
      return true
    }
    const day = expiryDay - this.#options.ttlDays
    const isNews = !this.#noted.has(ref)
    this.#noted.add(ref)
    const heard = { ref, box: box.slice() as BoxBytes, day, confirmed }
    if (!confirmed) {
      this.#unconfirmed.set(ref.contact, this.#unconfirmedOf(ref.contact) + 1)
      this.#heardAlone.set(toHex(boxHash(box)), heard)
    }
    this.#heard.push(heard)
    return isNews
  }

  /** Texts of a contact that has been met are shown at once; all else is an answer, and waits for the confirmation. */
  #mayBeShown(ref: WatchRef): boolean {
    if (ref.kind !== 'stream' || !isShown(ref.contact, ref.reader)) return false
    // One further ahead than is asked for anyway would take what is asked for out of the window.
    if (!ref.reader.isNear(ref.tag, ref.index)) return false
    return ref.contact.unconfirmed.size + this.#unconfirmedOf(ref.contact) < UNCONFIRMED_MAX
  }

  #unconfirmedOf(contact: Contact): number {
    return this.#unconfirmed.get(contact) ?? 0
  }

  #defer(hash: string): void {
    if (this.#deferred.size >= DEFERRED_MAX) {
      for (const oldest of this.#deferred) {
        this.#deferred.delete(oldest)
        break
      }
    }
    this.#deferred.add(hash)
  }

  /**
   * Boxes that were found under one address, or under several: two under one are a conflict. True: one was not noted
   * before.
   */
  found(boxes: readonly { readonly box: BoxBytes; readonly confirmed: boolean }[]): boolean {
    let isNews = false
    const first = new Map<string, BoxBytes>()
    for (const { box, confirmed } of boxes) {
      const key = toHex(parseBox(box).address)
      const other = first.get(key) ?? box
      first.set(key, other)
      if (this.hear(box, { confirmed, conflict: !equalBytes(other, box) })) isNews = true
    }
    return isNews
  }

  /** Looks these addresses up in the local store. */
  async lookUp(addresses: readonly Address[]): Promise<void> {
    if (addresses.length > 0) this.found(await this.#ports.boxes.find(addresses))
  }

  /** Further peers have this box too: reactions to it need not wait any more. True: one waited. */
  confirmed(hash: Uint8Array): boolean {
    const key = toHex(hash)
    if (this.#deferred.delete(key)) this.#rescan = true
    // What was heard and waits for a slot would be stored as unconfirmed after its confirmation.
    const heard = this.#heardAlone.get(key)
    if (heard !== undefined) {
      heard.confirmed = true
      this.#noLongerAlone(heard)
    }
    let isNews = false
    for (const contact of this.#ports.ledger.contacts.values()) {
      if (confirm(contact, key)) isNews = true
    }
    return isNews
  }

  #noLongerAlone({ ref: { contact }, box }: Heard): void {
    this.#heardAlone.delete(toHex(boxHash(box)))
    const left = this.#unconfirmedOf(contact) - 1
    if (left > 0) this.#unconfirmed.set(contact, left)
    else this.#unconfirmed.delete(contact)
  }

  /** What was confirmed while nobody listened. */
  async recheck(): Promise<void> {
    const waiting = [...this.#ports.ledger.contacts.values()].flatMap((contact) => [
      ...contact.unconfirmed.values(),
    ])
    if (waiting.length === 0) return
    const found = await this.#ports.boxes.find(waiting.map(({ address }) => address))
    for (const { box, confirmed } of found) if (confirmed) this.confirmed(boxHash(box))
  }
}

/**
 * A claim address belongs to every holder of the invitation, a reset address to every device that an account had, and
 * a stream that is over is read for what it still brings; every other address has one writer.
 */
function isOfOneWriter(ref: WatchRef): boolean {
  if (ref.kind === 'stream') return ref.reader === ref.contact.reader
  return ref.kind !== 'claim' && ref.kind !== 'reset'
}

function isShown(contact: Contact, reader: StreamReader): boolean {
  return contact.card.phase === 'ready' || (hasMet(contact) && isFormer(contact, reader))
}
