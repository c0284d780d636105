import { concat, equalBytes, u32be } from '../base/index.ts'
import {
  SHELF_CHECK_BYTES,
  SHELF_GENERATION_BYTES,
  SHELF_HALF_BYTES,
  SHELF_KEY_BYTES,
  SHELF_SLOT_BYTES,
} from './constants.ts'
import type { Vault } from './vault.ts'

export type Half = 0 | 1
export interface SlotKey {
  readonly generation: Uint8Array
  readonly key: Uint8Array
}
export type HalfContent = SlotKey | 'empty' | 'torn'

const CHECK_AT = SHELF_GENERATION_BYTES + SHELF_KEY_BYTES
const PAD_AT = CHECK_AT + SHELF_CHECK_BYTES
export const EMPTY_HALF: Uint8Array = new Uint8Array(SHELF_HALF_BYTES)

export function otherHalf(half: Half): Half {
  return half === 0 ? 1 : 0
}

/** Offset of a half in the file: the header takes the place of one slot. */
export function halfOffset(slot: number, half: Half): number {
  return (slot + 1) * SHELF_SLOT_BYTES + half * SHELF_HALF_BYTES
}

/** generation 8 | key 32 | check 16 | zero 8; the check is bound to the place. */
export function encodeHalf(vault: Vault, slot: number, half: Half, content: SlotKey): Uint8Array {
  const out = new Uint8Array(SHELF_HALF_BYTES)
  out.set(content.generation)
  out.set(content.key, SHELF_GENERATION_BYTES)
  out.set(checkOf(vault, slot, half, out), CHECK_AT)
  return out
}

/** Total: anything but zeros and what `encodeHalf` writes is `torn`. */
export function decodeHalf(vault: Vault, slot: number, half: Half, bytes: Uint8Array): HalfContent {
  if (equalBytes(bytes, EMPTY_HALF)) return 'empty'
  const intact =
    bytes.length === SHELF_HALF_BYTES &&
    equalBytes(bytes.subarray(CHECK_AT, PAD_AT), checkOf(vault, slot, half, bytes)) &&
    bytes.subarray(PAD_AT).every((byte) => byte === 0)
  if (!intact) return 'torn'
  return {
    generation: bytes.slice(0, SHELF_GENERATION_BYTES),
    key: bytes.slice(SHELF_GENERATION_BYTES, CHECK_AT),
  }
}

function checkOf(vault: Vault, slot: number, half: Half, bytes: Uint8Array): Uint8Array {
  return vault.check(concat(u32be(slot), Uint8Array.of(half)), bytes.subarray(0, CHECK_AT))
}
