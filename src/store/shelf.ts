import { concat, equalBytes, HearsayError, utf8 } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import { SHELF_GROW_SLOTS, SHELF_MAX_SLOTS, SHELF_SLOT_BYTES } from './constants.ts'
import type { FilePort, OpenFile } from './files.ts'
import {
  decodeHalf,
  EMPTY_HALF,
  encodeHalf,
  type Half,
  type HalfContent,
  halfOffset,
  otherHalf,
  type SlotKey,
} from './shelf-slot.ts'
import { corrupt } from './storage-error.ts'
import type { FindKey, Vault } from './vault.ts'

interface Live extends SlotKey {
  readonly half: Half
}

const MAGIC = concat(utf8('HSSHELF1'), new Uint8Array(SHELF_SLOT_BYTES - 8))
const READ_SLOTS = 4096

/** What one group commit changes. `stage` and `erase` are called around the database's write. */
export interface ShelfChange {
  readonly fresh: Map<number, Live>
  readonly released: Set<number>
}

/**
 * The secret shelf: one live 32-byte key per secret in slots of a small file that is overwritten in place.
 * A key is on disk before a value that needs it; an old key is off the disk before the commit resolves.
 */
export class Shelf {
  readonly #vault: Vault
  readonly #file: OpenFile
  readonly #live = new Map<number, Live>()
  readonly #staged = new Map<number, Live>()
  readonly #free: number[] = []
  #slots = 0
  #slotsOnDisk = 0

  private constructor(vault: Vault, file: OpenFile) {
    this.#vault = vault
    this.#file = file
  }

  /** @throws HearsayError `storage-corrupt` when the file is missing or is no shelf. */
  static async open(
    ports: { readonly vault: Vault; readonly files: FilePort },
    options: { readonly path: string; readonly create: boolean },
  ): Promise<Shelf> {
    let file = await ports.files.open(options.path)
    if (file === undefined) {
      if (!options.create) throw corrupt('the secret shelf is missing')
      file = await ports.files.create(options.path)
    }
    try {
      const header = await file.read(0, MAGIC.length)
      if (options.create && !equalBytes(header, MAGIC)) {
        await file.write(0, MAGIC)
        await file.sync()
      } else if (!equalBytes(header, MAGIC)) {
        throw corrupt('the secret shelf has a damaged header')
      }
      return new Shelf(ports.vault, file)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Brings the file in line with the database: of every slot that the index names keeps the half with the
   * index's generation, and erases every other half. Returns the slots whose key is lost.
   */
  async recover(index: ReadonlyMap<number, Uint8Array>): Promise<Set<number>> {
    const size = Math.floor((await this.#file.size()) / SHELF_SLOT_BYTES) - 1
    this.#slotsOnDisk = Math.min(size, SHELF_MAX_SLOTS)
    const lost = new Set(index.keys())
    for (let first = 0; first < this.#slotsOnDisk; first += READ_SLOTS) {
      const count = Math.min(READ_SLOTS, this.#slotsOnDisk - first)
      const bytes = await this.#file.read(halfOffset(first, 0), count * SHELF_SLOT_BYTES)
      for (let slot = first; slot < first + count; slot++) {
        const at = (slot - first) * SHELF_SLOT_BYTES
        const halves = ([0, 1] as const).map((half) => {
          const from = at + half * EMPTY_HALF.length
          const content = bytes.subarray(from, from + EMPTY_HALF.length)
          return decodeHalf(this.#vault, slot, half, content)
        })
        await this.#recoverSlot(slot, halves, index.get(slot))
        if (this.#live.has(slot)) lost.delete(slot)
        else if (!index.has(slot)) this.#free.push(slot)
      }
    }
    // Slots that a cut-off file has lost still belong to their secrets: never two in one slot.
    this.#slots = this.#slotsOnDisk
    for (const slot of index.keys()) this.#slots = Math.max(this.#slots, slot + 1)
    for (let slot = this.#slotsOnDisk; slot < this.#slots; slot++) {
      if (!index.has(slot)) this.#free.push(slot)
    }
    this.#free.reverse()
    // Always: an earlier recovery may have erased and been killed before its sync.
    await this.#file.sync()
    return lost
  }

  /** The key for reading, undefined when it is gone. Borrowed: not to be kept or changed. */
  keyOf(slot: number, generation: Uint8Array): Uint8Array | undefined {
    for (const entry of [this.#live.get(slot), this.#staged.get(slot)]) {
      if (entry !== undefined && equalBytes(entry.generation, generation)) return entry.key
    }
    return undefined
  }

  /** A copy of all keys, for a reader that commits must not overtake. The caller wipes it. */
  copyKeys(): { readonly find: FindKey; readonly wipe: () => void } {
    const copies = new Map<number, SlotKey[]>()
    for (const [slot, { generation, key }] of [...this.#live, ...this.#staged]) {
      copies.set(slot, [...(copies.get(slot) ?? []), { generation, key: key.slice() }])
    }
    return {
      find: (slot, generation) =>
        copies.get(slot)?.find((copy) => equalBytes(copy.generation, generation))?.key,
      wipe: () => {
        for (const { key } of [...copies.values()].flat()) wipe(key)
      },
    }
  }

  /** Slots that may still be taken. */
  get room(): number {
    return this.#free.length + (SHELF_MAX_SLOTS - this.#slots)
  }

  begin(): ShelfChange {
    return { fresh: new Map(), released: new Set() }
  }

  /** A slot of its own for a new secret. @throws HearsayError `storage-full`. */
  take(change: ShelfChange): { slot: number } & SlotKey {
    if (this.#free.length === 0) this.#grow()
    const slot = this.#free.pop()
    if (slot === undefined) throw new HearsayError('storage-full', 'the secret shelf is full')
    return { slot, ...this.renew(change, slot) }
  }

  /** A fresh key in the spare half of a slot. */
  renew(change: ShelfChange, slot: number): SlotKey {
    const live = this.#live.get(slot)
    const fresh = {
      half: live ? otherHalf(live.half) : (0 as const),
      generation: this.#vault.freshGeneration(),
      key: this.#vault.freshSlotKey(),
    }
    change.fresh.set(slot, fresh)
    return fresh
  }

  release(change: ShelfChange, slot: number): void {
    change.released.add(slot)
  }

  /** Step 1: the new keys reach the disk. */
  async stage(change: ShelfChange): Promise<void> {
    if (change.fresh.size === 0) return
    if (this.#slots > this.#slotsOnDisk) {
      const added = (this.#slots - this.#slotsOnDisk) * SHELF_SLOT_BYTES
      await this.#file.write(halfOffset(this.#slotsOnDisk, 0), new Uint8Array(added))
      this.#slotsOnDisk = this.#slots
    }
    for (const [slot, fresh] of change.fresh) {
      const bytes = encodeHalf(this.#vault, slot, fresh.half, fresh)
      await this.#file.write(halfOffset(slot, fresh.half), bytes)
      wipe(bytes)
    }
    await this.#file.sync()
    for (const [slot, fresh] of change.fresh) this.#staged.set(slot, fresh)
  }

  /** Step 3: the old keys leave the disk, then the memory. */
  async erase(change: ShelfChange): Promise<void> {
    const old: [slot: number, live: Live][] = []
    for (const slot of [...change.fresh.keys(), ...change.released]) {
      const live = this.#live.get(slot)
      if (live !== undefined) old.push([slot, live])
    }
    for (const [slot, live] of old) await this.#file.write(halfOffset(slot, live.half), EMPTY_HALF)
    if (old.length > 0) await this.#file.sync()
    for (const [slot, live] of old) {
      wipe(live.key)
      this.#live.delete(slot)
    }
    for (const [slot, fresh] of change.fresh) this.#live.set(slot, fresh)
    this.#staged.clear()
    this.#free.push(...change.released)
  }

  get size(): number {
    return this.#live.size
  }

  close(): Promise<void> {
    for (const live of this.#live.values()) wipe(live.key)
    this.#live.clear()
    return this.#file.close()
  }

  #grow(): void {
    const next = Math.min(SHELF_MAX_SLOTS, this.#slots + SHELF_GROW_SLOTS)
    for (let slot = next - 1; slot >= this.#slots; slot--) this.#free.push(slot)
    this.#slots = next
  }

  async #recoverSlot(
    slot: number,
    halves: readonly HalfContent[],
    generation: Uint8Array | undefined,
  ): Promise<void> {
    for (const half of [0, 1] as const) {
      const content = halves[half]
      if (content === undefined || content === 'empty') continue
      const counts =
        content !== 'torn' &&
        generation !== undefined &&
        !this.#live.has(slot) &&
        equalBytes(content.generation, generation)
      if (counts) {
        this.#live.set(slot, { ...content, half })
      } else {
        await this.#file.write(halfOffset(slot, half), EMPTY_HALF)
      }
    }
  }
}
