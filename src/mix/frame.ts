import { HearsayError } from '../base/index.ts'
import { SURB_ID_BYTES } from '../sphinx/index.ts'
import { ASK_REF_BYTES, SEALED_ANSWER_BYTES, SEALED_REQUEST_BYTES } from './constants.ts'

/**
 * What neighbours hand each other. Frames of one size on one stream: only the two ends of a link see which kind
 * one is, and both know it from what they did themselves.
 */
export type MixFrame =
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  /** The last mix of a reply to whom it is for. */
  | { readonly kind: 'reply'; readonly surbId: Uint8Array; readonly payload: Uint8Array }
  /** A courier to a keeper. */
  | { readonly kind: 'ask'; readonly ref: Uint8Array; readonly sealed: Uint8Array }
  /** The keeper back to the courier. */
  | { readonly kind: 'answer'; readonly ref: Uint8Array; readonly sealed: Uint8Array }

export interface FrameSizes {
  readonly packetBytes: number
  readonly payloadBytes: number
}

const KINDS = ['packet', 'reply', 'ask', 'answer'] as const

/** kind 1 | the longest of all, a packet. */
export function frameBytes({ packetBytes }: FrameSizes): number {
  return 1 + packetBytes
}

/** kind 1 | parts | zeros. The link encrypts it. */
export function encodeMixFrame(sizes: FrameSizes, frame: MixFrame): Uint8Array {
  const bytes = new Uint8Array(frameBytes(sizes))
  bytes[0] = KINDS.indexOf(frame.kind)
  switch (frame.kind) {
    case 'packet':
      bytes.set(frame.packet, 1)
      break
    case 'reply':
      bytes.set(frame.surbId, 1)
      bytes.set(frame.payload, 1 + SURB_ID_BYTES)
      break
    default:
      bytes.set(frame.ref, 1)
      bytes.set(frame.sealed, 1 + ASK_REF_BYTES)
  }
  return bytes
}

/** Views into `bytes`. Strict: padding is zero. @throws HearsayError `bad-length`, `bad-value`. */
export function decodeMixFrame(sizes: FrameSizes, bytes: Uint8Array): MixFrame {
  if (bytes.length !== frameBytes(sizes)) {
    throw new HearsayError('bad-length', 'a mix frame has one size', { length: bytes.length })
  }
  const kind = KINDS[bytes[0] ?? 0xff]
  if (kind === undefined) throw new HearsayError('bad-value', 'unknown kind of mix frame')
  if (kind === 'packet') return { kind, packet: bytes.subarray(1) }
  const second = kind === 'reply' ? sizes.payloadBytes : sealedBytes(kind)
  const split = 1 + (kind === 'reply' ? SURB_ID_BYTES : ASK_REF_BYTES)
  const first = bytes.subarray(1, split)
  const rest = bytes.subarray(split, split + second)
  if (bytes.subarray(split + second).some((byte) => byte !== 0)) {
    throw new HearsayError('bad-value', 'padding of a mix frame is zero')
  }
  return kind === 'reply'
    ? { kind, surbId: first, payload: rest }
    : { kind, ref: first, sealed: rest }
}

function sealedBytes(kind: 'ask' | 'answer'): number {
  return kind === 'ask' ? SEALED_REQUEST_BYTES : SEALED_ANSWER_BYTES
}
