import { concat, HearsayError } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import { MAX_DIRECTORY_MESSAGE_BYTES } from './constants.ts'

/** First byte of a gossip message of the directory. */
export const MESSAGE_TYPES = {
  descriptor: 1,
  conflict: 2,
  revocation: 3,
  heartbeat: 4,
  keyConflict: 5,
} as const

const EARLY = Uint8Array.of(1)

export type MessageType = (typeof MESSAGE_TYPES)[keyof typeof MESSAGE_TYPES]

/** type 1 | payload. */
export function encodeMessage(type: MessageType, payload: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type), payload)
}

/** @throws HearsayError of the class `peer`. The payload is a copy: it outlives the message. */
export function decodeMessage(bytes: Uint8Array): { type: MessageType; payload: Uint8Array } {
  const type = Object.values(MESSAGE_TYPES).find((each) => each === bytes[0])
  if (type === undefined || bytes.length > MAX_DIRECTORY_MESSAGE_BYTES) {
    throw new HearsayError('bad-value', 'not a directory message')
  }
  return { type, payload: bytes.slice(1) }
}

/** 32 bytes over every byte of the message; others for one that came before its time, so that it may come again. */
export function directoryMessageId(bytes: Uint8Array, isEarly = false): Uint8Array {
  return isEarly
    ? hash(LABELS.directoryMessage, bytes, EARLY)
    : hash(LABELS.directoryMessage, bytes)
}
