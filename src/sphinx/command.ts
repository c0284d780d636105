import { HearsayError, NODE_ID_BYTES, type NodeId } from '../base/index.ts'
import { MAX_DELAY_MS, SURB_ID_BYTES } from './constants.ts'

/** What a hop is told to do with its packet after `delayMs`. */
export type Command =
  | { readonly kind: 'forward'; readonly delayMs: number; readonly next: NodeId }
  | { readonly kind: 'arrive'; readonly delayMs: number }
  | {
      readonly kind: 'reply'
      readonly delayMs: number
      readonly recipient: NodeId
      readonly surbId: Uint8Array
    }

const FORWARD = 1
const ARRIVE = 2
const REPLY = 3

const NODE_AT = 1
const DELAY_AT = NODE_AT + NODE_ID_BYTES
const SURB_AT = DELAY_AT + 4

/**
 * Writes kind 1 | node id 32 | delay 4, ms | SURB id 16 over 53 random bytes, which stay where the kind has no
 * use for a field: nothing that a hop sees is padding.
 * @throws HearsayError `bad-value` for a delay other than 0 to 600000 ms.
 */
export function encodeCommandInto(bytes: Uint8Array, command: Command): void {
  const { delayMs } = command
  if (!Number.isInteger(delayMs) || delayMs < 0 || delayMs > MAX_DELAY_MS) {
    throw new HearsayError('bad-value', 'a delay is 0 to 600000 ms')
  }
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(DELAY_AT, delayMs)
  switch (command.kind) {
    case 'forward':
      bytes[0] = FORWARD
      bytes.set(command.next, NODE_AT)
      break
    case 'arrive':
      bytes[0] = ARRIVE
      break
    case 'reply':
      bytes[0] = REPLY
      bytes.set(command.recipient, NODE_AT)
      bytes.set(command.surbId, SURB_AT)
      break
  }
}

/** Inverse of `encodeCommand`, from the beginning of a block; undefined for another kind or a longer delay. */
export function decodeCommand(block: Uint8Array): Command | undefined {
  const delayMs = new DataView(block.buffer, block.byteOffset).getUint32(DELAY_AT)
  if (delayMs > MAX_DELAY_MS) return undefined
  switch (block[0]) {
    case FORWARD:
      return { kind: 'forward', delayMs, next: nodeId(block) }
    case ARRIVE:
      return { kind: 'arrive', delayMs }
    case REPLY: {
      const surbId = block.slice(SURB_AT, SURB_AT + SURB_ID_BYTES)
      return { kind: 'reply', delayMs, recipient: nodeId(block), surbId }
    }
    default:
      return undefined
  }
}

function nodeId(block: Uint8Array): NodeId {
  return block.slice(NODE_AT, NODE_AT + NODE_ID_BYTES) as NodeId
}
