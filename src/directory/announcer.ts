import {
  type Clock,
  HearsayError,
  isHearsayError,
  type Logger,
  type NodeId,
  type Rng,
  type TaskGroup,
  uniform,
} from '../base/index.ts'
import type { PubSub } from '../net/index.ts'
import {
  type AdmissionProof,
  admissionFault,
  admitByInvitation,
  admitOpen,
  admitsFrom,
} from './admission.ts'
import { DIRECTORY_TOPIC, REISSUE_DELAY_MS, REISSUES_PER_EPOCH, RESEND_MS } from './constants.ts'
import {
  type Descriptor,
  type DescriptorContent,
  issueDescriptor,
  nextSequence,
} from './descriptor.ts'
import type { DirectoryStore } from './directory-store.ts'
import { encodeMessage, MESSAGE_TYPES } from './messages.ts'
import type { Network } from './network.ts'

/** What a node says about itself, besides what the directory fills in. */
export type SelfDescription = Pick<
  DescriptorContent,
  'addresses' | 'reachable' | 'keepsFromDay' | 'mixKeys' | 'requestKey'
>

export interface AnnouncerPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly pubsub: Pick<PubSub, 'publish'>
  readonly store: DirectoryStore
  readonly tasks: TaskGroup
  /** The node key's Ed25519 signature of a 32-byte digest. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** Takes the own descriptor into the table. */
  readonly accept: (descriptor: Descriptor) => void
  /** Highest sequence number of this node that is known, 0 for none. */
  readonly lastSequence: () => number
}

/**
 * Issues this node's descriptor: at the start, soon after a change, and at irregular times at least twice an
 * epoch. A descriptor is on disk before anybody else sees it.
 */
export class Announcer {
  readonly #ports: AnnouncerPorts
  readonly #network: Network
  readonly #nodeId: NodeId
  #self: SelfDescription
  #admission: AdmissionProof | undefined
  #wake: AbortController | undefined
  #changed = false
  #isSent = false

  constructor(ports: AnnouncerPorts, network: Network, nodeId: NodeId, self: SelfDescription) {
    this.#ports = ports
    this.#network = network
    this.#nodeId = nodeId
    this.#self = self
  }

  /**
   * Loads or makes the admission proof, issues the first descriptor and goes on issuing.
   * @throws HearsayError `not-admitted` when the network wants an invitation and there is none.
   */
  async start(): Promise<void> {
    this.#admission = await this.#admit()
    await this.#issue()
    this.#ports.tasks.spawn('announce', (signal) => this.#run(signal))
  }

  /** Replaces parts of the description; one descriptor goes out for all changes of a moment. */
  update(changes: Partial<SelfDescription>): void {
    this.#self = { ...this.#self, ...changes }
    this.requestIssue()
  }

  /** A new descriptor soon, with the next sequence number. */
  requestIssue(): void {
    this.#changed = true
    this.#wake?.abort(new HearsayError('aborted', 'description changed'))
  }

  async #admit(): Promise<AdmissionProof> {
    const stored = await this.#stored()
    if (stored !== undefined && !this.#isMisdated(stored)) return stored
    const proof = this.#freshAdmission()
    await this.#ports.store.saveAdmission(proof)
    return proof
  }

  /** A damaged proof is as good as none where anybody can make one. */
  async #stored(): Promise<AdmissionProof | undefined> {
    try {
      return await this.#ports.store.admission()
    } catch (error) {
      const isOpen = this.#network.parameters.admission === 'open'
      if (!isOpen || !isHearsayError(error, 'storage-corrupt')) throw error
      return undefined
    }
  }

  /** Made under a clock that was wrong: nobody would ever take it. */
  #isMisdated(proof: AdmissionProof): boolean {
    return admissionFault(proof, this.#nodeId, this.#network) === 'date'
  }

  /** A clock that is behind must not date it before anybody is admitted: it is kept for good. */
  #freshAdmission(): AdmissionProof {
    const now = this.#ports.clock.now()
    const date = Math.max(now, admitsFrom(this.#network))
    if (this.#network.parameters.admission === 'open') return admitOpen(date)
    const { invitation } = this.#network
    if (invitation === undefined) {
      throw new HearsayError('not-admitted', 'this network is joined with an invitation')
    }
    if (now >= invitation.grant.expiresAt) {
      throw new HearsayError('invite-expired', 'the invitation to this network has expired')
    }
    return admitByInvitation(this.#network, invitation, this.#nodeId, date)
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#ports
    const period = this.#network.parameters.layerEpochMs / REISSUES_PER_EPOCH
    while (!signal.aborted) {
      // Irregular, so that the descriptors of many nodes do not come in waves.
      const wait = this.#isSent ? period * (0.5 + uniform(rng) / 2) : RESEND_MS
      if (!this.#changed) await this.#sleep(wait, signal)
      if (this.#changed) await clock.sleep(REISSUE_DELAY_MS, signal)
      this.#changed = false
      await this.#issue()
    }
  }

  /** Sleeps until the time has passed or `requestIssue` is called. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const wake = new AbortController()
    this.#wake = wake
    try {
      await this.#ports.clock.sleep(ms, AbortSignal.any([signal, wake.signal]))
    } catch (error) {
      if (signal.aborted) throw error
    } finally {
      this.#wake = undefined
    }
  }

  async #issue(): Promise<void> {
    const { clock, rng, log, pubsub, sign, store } = this.#ports
    const admission = this.#admission
    if (admission === undefined) return
    const issuedAt = Math.max(clock.now(), admission.date)
    const descriptor = issueDescriptor(
      {
        ...this.#self,
        networkId: this.#network.id,
        nodeId: this.#nodeId,
        sequence: nextSequence(rng, this.#ports.lastSequence(), issuedAt),
        issuedAt,
        admission,
      },
      sign,
    )
    // Before it is in the table, where peers may read it: after a crash its number must not come a second time.
    store.putDescriptor(descriptor)
    await store.flush()
    this.#ports.accept(descriptor)
    try {
      const message = encodeMessage(MESSAGE_TYPES.descriptor, descriptor.bytes)
      this.#isSent = (await pubsub.publish(DIRECTORY_TOPIC, message)) > 0
    } catch (error) {
      // Peers also pull it when they connect.
      if (!isHearsayError(error)) throw error
      this.#isSent = false
      log.debug('descriptor not gossiped', { code: error.code })
    }
  }
}
