import {
  asNodeId,
  type BoxBytes,
  HearsayError,
  NODE_ID_BYTES,
  type NodeId,
  type Rng,
} from '../base/index.ts'
import { BOX_BYTES } from '../stream/index.ts'
import { REQUEST_BODY_BYTES, SEALED_ANSWER_BYTES, SEALED_REQUEST_BYTES } from './constants.ts'
import type { RequestKind } from './ports.ts'

const KINDS: readonly RequestKind[] = ['publish', 'fetch', 'echo']

/** What a courier is asked to do. */
export type MixRequest =
  | { readonly kind: 'publish'; readonly box: BoxBytes }
  | { readonly kind: 'fetch'; readonly keeper: NodeId; readonly sealed: Uint8Array }
  | { readonly kind: 'echo' }

/**
 * kind 1 | publish: box 2048; fetch: keeper 32, sealed request 114; echo: nothing | random bytes.
 * REQUEST_BODY_BYTES, whatever it asks.
 */
export function encodeRequest(rng: Rng, request: MixRequest): Uint8Array {
  const body = rng.bytes(REQUEST_BODY_BYTES)
  body[0] = KINDS.indexOf(request.kind)
  if (request.kind === 'publish') body.set(request.box, 1)
  if (request.kind === 'fetch') {
    body.set(request.keeper, 1)
    body.set(request.sealed, 1 + NODE_ID_BYTES)
  }
  return body
}

/** Views into `body`. An unknown kind is an echo: it gets its reply like everything else. */
export function decodeRequest(body: Uint8Array): MixRequest {
  if (body.length !== REQUEST_BODY_BYTES) {
    throw new HearsayError('bad-length', 'a request has one size', { length: body.length })
  }
  switch (KINDS[body[0] ?? 0xff]) {
    case 'publish':
      return { kind: 'publish', box: body.subarray(1, 1 + BOX_BYTES) as BoxBytes }
    case 'fetch': {
      const end = 1 + NODE_ID_BYTES
      const sealed = body.subarray(end, end + SEALED_REQUEST_BYTES)
      return { kind: 'fetch', keeper: asNodeId(body.subarray(1, end)), sealed }
    }
    default:
      return { kind: 'echo' }
  }
}

/** has answer 1 | sealed answer or random bytes | random bytes: `length` bytes, whatever was asked. */
export function encodeReply(rng: Rng, length: number, answer: Uint8Array | undefined): Uint8Array {
  const reply = rng.bytes(length)
  reply[0] = answer === undefined ? 0 : 1
  if (answer !== undefined) reply.set(answer, 1)
  return reply
}

/** The keeper's answer, a view; undefined when there is none. */
export function decodeReply(reply: Uint8Array): Uint8Array | undefined {
  return reply[0] === 1 ? reply.subarray(1, 1 + SEALED_ANSWER_BYTES) : undefined
}
