import { createHash } from 'node:crypto'
import type { Message } from '@libp2p/gossipsub'
import { TopicValidatorResult } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { type Clock, HearsayError } from '../base/index.ts'
import { MESH_DEGREE } from './constants.ts'
import type { MessageIdPort, ScoredGossipSub } from './gossipsub.ts'
import { freeRiders, ObservedRate } from './mesh-judge.ts'
import { nodeIdOf } from './node-id.ts'
import type { Penalties } from './penalties.ts'
import type { PubSub, TopicHandler, TopicPlan, Verdict } from './ports.ts'

export interface TopicPubSubPorts {
  clock: Clock
  /** Fading penalties that other modules impose. */
  penalties: Penalties
  /** Fading penalties of mesh peers that bring nothing; slower, so that the place stays lost. */
  meshPenalties: Penalties
}

/** Every declared topic has a validator from the first byte on: without a handler it ignores all. */
export class TopicPubSub implements PubSub, MessageIdPort {
  readonly #ports: TopicPubSubPorts
  readonly #topics: ReadonlyMap<string, TopicState>
  #gossipsub: ScoredGossipSub | undefined

  constructor(ports: TopicPubSubPorts, options: { topics: readonly TopicPlan[] }) {
    this.#ports = ports
    this.#topics = new Map(
      options.topics.map((plan) => [
        plan.topic,
        { plan, observed: new ObservedRate(plan.scoring) },
      ]),
    )
  }

  subscribe(topic: string, handler: TopicHandler): void {
    const state = this.#topics.get(topic)
    if (state === undefined || state.handler !== undefined) {
      throw new HearsayError('bug', 'topic is not declared or already has a handler', { topic })
    }
    state.handler = handler
    this.#gossipsub?.subscribe(topic)
  }

  async publish(topic: string, message: Uint8Array): Promise<number> {
    if (this.#gossipsub === undefined) throw new HearsayError('not-running', 'net is not running')
    const state = this.#topics.get(topic)
    if (state === undefined) throw new HearsayError('bug', 'topic is not declared', { topic })
    if (message.length > state.plan.maxMessageBytes) {
      throw new HearsayError('too-large', 'message above the size of its topic')
    }
    const { recipients } = await this.#gossipsub.publish(topic, message)
    return recipients.length
  }

  meshPeers(topic: string): number {
    return this.#gossipsub?.getMeshPeers(topic).length ?? 0
  }

  messageId(topic: string, message: Uint8Array): Uint8Array {
    const handler = this.#topics.get(topic)?.handler
    // Without a handler nothing is accepted, so any id over all bytes will do.
    return handler?.messageId(message) ?? createHash('sha256').update(message).digest()
  }

  penaltyOf(peerId: string): number {
    return -(this.#ports.penalties.of(peerId) + this.#ports.meshPenalties.of(peerId))
  }

  /** Called after libp2p was created and before it starts. */
  attach(gossipsub: ScoredGossipSub): void {
    this.#gossipsub = gossipsub
    for (const topic of this.#topics.keys()) {
      gossipsub.topicValidators.set(topic, (from, message) => this.#validate(from, message))
    }
    gossipsub.addEventListener('gossipsub:message', ({ detail }) => {
      const from = nodeIdOf(detail.propagationSource)
      const state = this.#topics.get(detail.msg.topic)
      if (from === undefined || state === undefined) return
      state.observed.add(this.#ports.clock.monotonic())
      state.handler?.handle(detail.msg.data, from)
    })
  }

  /** Called after libp2p has started: subscriptions need its streams. */
  subscribeAll(): void {
    for (const [topic, { handler }] of this.#topics) {
      if (handler !== undefined) this.#gossipsub?.subscribe(topic)
    }
  }

  detach(): void {
    this.#gossipsub = undefined
  }

  /** Takes mesh places from peers that bring nothing. Returns how many were punished. */
  judge(): number {
    const gossipsub = this.#gossipsub
    if (gossipsub === undefined) return 0
    const stats = gossipsub.dumpPeerScoreStats()
    let punished = 0
    for (const [topic, { plan, observed }] of this.#topics) {
      const view = {
        observed: observed.value(this.#ports.clock.monotonic()),
        subscribers: gossipsub.getSubscribers(topic).length,
        meshDegree: MESH_DEGREE,
      }
      for (const peerId of freeRiders(topic, stats, view, plan.scoring)) {
        const missing = -plan.scoring.silentPoints - this.#ports.meshPenalties.of(peerId)
        this.#ports.meshPenalties.add(peerId, missing)
        punished += 1
      }
    }
    return punished
  }

  score(peerId: string): number {
    return this.#gossipsub?.getScore(peerId) ?? 0
  }

  async #validate(from: PeerId, message: Message): Promise<TopicValidatorResult> {
    const state = this.#topics.get(message.topic)
    const nodeId = nodeIdOf(from)
    if (state?.handler === undefined || nodeId === undefined) return TopicValidatorResult.Ignore
    if (message.data.length > state.plan.maxMessageBytes) return TopicValidatorResult.Reject
    const verdict = state.handler.validate(message.data, nodeId)
    return RESULTS[typeof verdict === 'string' ? verdict : await verdict]
  }
}

interface TopicState {
  plan: TopicPlan
  observed: ObservedRate
  handler?: TopicHandler
}

const RESULTS: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}
