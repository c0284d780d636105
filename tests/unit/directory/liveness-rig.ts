import { type Clock, silentLogger, toHex } from '../../../src/base/index.ts'
import { encodeHeartbeat } from '../../../src/directory/heartbeat.ts'
import { Liveness } from '../../../src/directory/liveness.ts'
import {
  decodeMessage,
  directoryMessageId,
  encodeMessage,
  MESSAGE_TYPES,
} from '../../../src/directory/messages.ts'
import { SEEN_TTL_MS } from '../../../src/net/constants.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { testNetwork, type TestNode, testNode } from './fixtures.ts'

export const NETWORK = testNetwork()

const signers = new Map<number, TestNode>()

/** `testNode`, made once. */
function signer(index: number): TestNode {
  const known = signers.get(index) ?? testNode(index)
  signers.set(index, known)
  return known
}

/** A signed heartbeat of a node, dated `at`. */
export function beat(
  index: number,
  at: number,
  o: { isLeaving?: boolean; network?: typeof NETWORK } = {},
): Uint8Array {
  const { nodeId, sign } = signer(index)
  const said = { nodeId, isLeaving: o.isLeaving ?? false, at: Math.floor(at) }
  return encodeHeartbeat((o.network ?? NETWORK).id, said, sign)
}

export interface LivenessRigOptions {
  readonly index?: number
  /** Nodes that may mix; those of the test have lower numbers. */
  readonly candidates?: number
}

/** One node's liveness, whose gossip a test reads and answers for. */
export function livenessRig(clock: Clock, o: LivenessRigOptions = {}) {
  const { index = 0, candidates = 10 } = o
  const self = testNode(index)
  const state = { candidates, isReachable: true, peers: 3 }
  const strangers = new Set<string>()
  const published: { at: number; bytes: Uint8Array }[] = []
  const liveness = new Liveness(
    {
      clock,
      rng: seededRng(`liveness ${index}`),
      log: silentLogger,
      sign: self.sign,
      isCandidate: (node) => !strangers.has(toHex(node)),
      candidates: () => state.candidates,
      isReachable: () => state.isReachable,
      pubsub: {
        publish: async (_topic, message) => {
          published.push({ at: clock.monotonic(), bytes: decodeMessage(message).payload })
          return state.peers
        },
      },
    },
    { networkId: NETWORK.id, nodeId: self.nodeId },
  )
  const isHere = (node: number) => liveness.isAlive(toHex(signer(node).nodeId))
  const setCandidate = (node: number, is: boolean): void => {
    if (is) strangers.delete(toHex(testNode(node).nodeId))
    else strangers.add(toHex(testNode(node).nodeId))
  }
  return { liveness, state, published, isHere, setCandidate }
}

/** A node in gossip: remembers ids before it judges, and passes on what it takes. */
export class Gossiper {
  readonly liveness: Liveness
  readonly #clock: Clock
  readonly #seen = new Map<string, number>()
  /** What it takes goes there. */
  onTaken: (message: Uint8Array) => void = () => undefined

  constructor(clock: Clock, o: LivenessRigOptions) {
    this.#clock = clock
    this.liveness = livenessRig(clock, o).liveness
  }

  receive(message: Uint8Array): void {
    const isEarly = this.liveness.isEarly(message.subarray(1))
    const id = toHex(directoryMessageId(message, isEarly))
    const now = this.#clock.monotonic()
    if ((this.#seen.get(id) ?? 0) > now) return
    this.#seen.set(id, now + SEEN_TTL_MS)
    if (this.liveness.hear(message.slice(1)) === 'accept') this.onTaken(message)
  }
}

export const asMessage = (bytes: Uint8Array) => encodeMessage(MESSAGE_TYPES.heartbeat, bytes)
