import { wordlist } from '@scure/bip39/wordlists/english.js'
import type { NetworkId } from '../base/index.ts'
import { NETWORK_WORDS } from './constants.ts'

const BITS_PER_WORD = 11

/** `NETWORK_WORDS` words of the BIP-39 English list for the first 44 bits of the id, to compare by voice. */
export function networkWords(id: NetworkId): string[] {
  const bits = NETWORK_WORDS * BITS_PER_WORD
  const value = Buffer.from(id).readUIntBE(0, 6) / 2 ** (48 - bits)
  let left = Math.floor(value)
  const words: string[] = []
  for (let i = 0; i < NETWORK_WORDS; i++) {
    words.unshift(wordlist[left % 2 ** BITS_PER_WORD] ?? '')
    left = Math.floor(left / 2 ** BITS_PER_WORD)
  }
  return words
}
