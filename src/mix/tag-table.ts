import { REPLAY_TAG_BYTES } from '../sphinx/index.ts'

const WORDS = REPLAY_TAG_BYTES / 4

const SHARDS = 256

/**
 * A set of 16-byte tags in arrays of words: 64 bytes a tag at most, where a Set of strings takes 150. Tags come out
 * of a KDF, so their own bits are the hash; nobody can choose colliding ones without choosing keys. It grows shard
 * by shard, so that no single call takes long.
 */
export class TagTable {
  readonly #shards = Array.from({ length: SHARDS }, () => new TagShard())
  #size = 0

  get size(): number {
    return this.#size
  }

  has(tag: Uint8Array): boolean {
    return this.#shardOf(tag).has(tag)
  }

  /** False when it was there. */
  add(tag: Uint8Array): boolean {
    const isNew = this.#shardOf(tag).add(tag)
    if (isNew) this.#size++
    return isNew
  }

  #shardOf(tag: Uint8Array): TagShard {
    return this.#shards[tag[REPLAY_TAG_BYTES - 1] ?? 0] as TagShard
  }
}

/** Open addressing, at most half full. */
class TagShard {
  #words = new Uint32Array(16 * WORDS)
  #size = 0

  has(tag: Uint8Array): boolean {
    return this.#isTaken(this.#find(wordsOf(tag)))
  }

  add(tag: Uint8Array): boolean {
    const words = wordsOf(tag)
    const at = this.#find(words)
    if (this.#isTaken(at)) return false
    this.#words.set(words, at)
    this.#size++
    if (this.#size * 2 * WORDS > this.#words.length) this.#grow()
    return true
  }

  #find(words: Uint32Array): number {
    const slots = this.#words.length / WORDS
    for (let slot = (words[0] ?? 0) & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
      const at = slot * WORDS
      if (!this.#isTaken(at) || this.#equals(at, words)) return at
    }
  }

  #equals(at: number, words: Uint32Array): boolean {
    for (let i = 0; i < WORDS; i++) if (this.#words[at + i] !== words[i]) return false
    return true
  }

  #isTaken(at: number): boolean {
    for (let i = 0; i < WORDS; i++) if (this.#words[at + i] !== 0) return true
    return false
  }

  #grow(): void {
    const old = this.#words
    this.#words = new Uint32Array(2 * old.length)
    for (let at = 0; at < old.length; at += WORDS) {
      const words = old.subarray(at, at + WORDS)
      if (words.some((word) => word !== 0)) this.#words.set(words, this.#find(words))
    }
  }
}

/** The all-zero tag stands for an empty place: it counts as another, once in 2^128. */
function wordsOf(tag: Uint8Array): Uint32Array {
  const view = new DataView(tag.buffer, tag.byteOffset, REPLAY_TAG_BYTES)
  const words = Uint32Array.from({ length: WORDS }, (_, i) => view.getUint32(4 * i))
  if (words.every((word) => word === 0)) words[0] = 1
  return words
}
