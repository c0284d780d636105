import {
  type Address,
  equalBytes,
  type HearsayError,
  isHearsayError,
  type NetworkId,
} from '../base/index.ts'
import { PUBLICATION_BYTES, UNKNOWN_COURIER_QUOTA } from './constants.ts'
import type { EpochLedger, EpochLedgers } from './epoch-ledger.ts'
import type { BoxPort, Couriers, KnownBoxes } from './ports.ts'
import { buildProof, type MisbehaviourProof, verifySigned, verifySignedByCourier } from './proof.ts'
import { decodePublication, encodeHeader, type Publication } from './publication.ts'
import type { Reason } from './reasons.ts'
import { type Familiarity, familiarity, type RecentBoxes } from './recent-boxes.ts'
import type { TimeWindow } from './window.ts'

export interface ValidatorPorts {
  window: TimeWindow
  boxes: BoxPort
  known: KnownBoxes
  recent: RecentBoxes
  couriers: Couriers
  ledgers: EpochLedgers
}

/** A publication that passed every check that does not need what others have published. */
export interface ValidPublication extends Publication {
  address: Address
  expiryDay: number
  boxHash: Uint8Array
}

export type Outcome =
  | { reason: 'accepted' | 'accepted-conflict'; publication: ValidPublication }
  | { reason: 'equivocation'; proof: MisbehaviourProof }
  | { reason: Exclude<Reason, 'accepted' | 'accepted-conflict' | 'equivocation'> }

/**
 * Judges a publication in order of cost: lengths, constants, clock, look-ups, and only then the two
 * signatures. Nothing is marked, counted against a courier or remembered before both signatures hold, so
 * forged publications cannot use up anybody's quota, counter or address.
 */
export class PublicationValidator {
  readonly #ports: ValidatorPorts
  readonly #networkId: NetworkId

  constructor(ports: ValidatorPorts, options: { networkId: NetworkId }) {
    this.#ports = ports
    this.#networkId = options.networkId
  }

  /** Synchronous unless the known boxes are asked for asynchronously. */
  judge(bytes: Uint8Array): Outcome | Promise<Outcome> {
    const candidate = this.#parse(bytes)
    if ('reason' in candidate) return candidate
    const near = this.#outOfWindow(candidate)
    if (near !== undefined) return { reason: near }
    const known = this.#ports.known.lookup(candidate.address)
    return known instanceof Promise
      ? known.then((hashes) => this.#judgeKnown(candidate, hashes))
      : this.#judgeKnown(candidate, known)
  }

  #parse(bytes: Uint8Array): ValidPublication | Outcome {
    if (bytes.length !== PUBLICATION_BYTES) return { reason: 'bad-size' }
    let publication: Publication
    try {
      publication = decodePublication(bytes)
    } catch (error) {
      return { reason: decodeReason(error) }
    }
    if (!equalBytes(publication.networkId, this.#networkId)) return { reason: 'wrong-network' }
    const header = this.#ports.boxes.header(publication.box)
    if (header === undefined) return { reason: 'bad-box-version' }
    const { address, expiryDay } = header
    const boxHash = this.#ports.boxes.hash(publication.box)
    return { ...publication, address, expiryDay, boxHash }
  }

  #outOfWindow({ epoch, expiryDay }: ValidPublication): OutOfWindow | undefined {
    const ofEpoch = this.#ports.window.ofEpoch(epoch)
    if (ofEpoch !== 'in') return `epoch-${ofEpoch}`
    const ofDay = this.#ports.window.ofExpiryDay(expiryDay)
    return ofDay === 'in' ? undefined : `day-${ofDay}`
  }

  #judgeKnown(candidate: ValidPublication, stored: readonly Uint8Array[]): Outcome {
    const known = this.#familiarity(candidate, stored)
    if (known === 'known') return { reason: 'known' }
    if (known === 'third') return { reason: 'third-box' }
    const ledger = this.#ports.ledgers.of(candidate.epoch)
    const refusal = this.#courierRefusal(candidate, ledger)
    if (refusal !== undefined) return { reason: refusal }
    return this.#judgeSignatures(candidate, ledger, known)
  }

  #familiarity(candidate: ValidPublication, stored: readonly Uint8Array[]): Familiarity {
    const recent = this.#ports.recent.hashes(candidate.address)
    return familiarity(candidate.boxHash, [...stored, ...recent])
  }

  #courierRefusal(
    { courier, epoch }: ValidPublication,
    ledger: EpochLedger,
  ): 'not-courier' | 'excluded' | 'quota' | 'overloaded' | undefined {
    if (ledger.isExcluded(courier)) return 'excluded'
    if (ledger.log.full) return 'overloaded'
    switch (this.#ports.couriers.isCourier(courier, epoch)) {
      case 'no':
        return 'not-courier'
      case 'unknown':
        // Strangers share one quota: otherwise each fresh key would bring its own.
        return ledger.unknownCount >= UNKNOWN_COURIER_QUOTA ? 'quota' : undefined
      case 'yes':
        return ledger.log.countOf(courier) >= this.#ports.couriers.quota(courier, epoch)
          ? 'quota'
          : undefined
    }
  }

  #judgeSignatures(candidate: ValidPublication, ledger: EpochLedger, known: Familiarity): Outcome {
    const { courier, counter, boxHash, signature } = candidate
    const signed = { boxHash, signature }
    // The point check costs as much as the signature: it is done once, with the courier's descriptor.
    const vouched = this.#ports.couriers.isCourier(courier, candidate.epoch) === 'yes'
    const isSigned = vouched ? verifySignedByCourier : verifySigned
    if (!isSigned(encodeHeader(candidate), signed, courier)) {
      return { reason: 'bad-courier-signature' }
    }
    const earlier = ledger.log.find(courier, counter)
    if (earlier !== undefined) {
      // The box of that counter is no longer known under its address, yet it is the same: a replay.
      if (equalBytes(earlier.boxHash, boxHash)) return { reason: 'known' }
      return { reason: 'equivocation', proof: buildProof(candidate, earlier, signed) }
    }
    if (!this.#ports.boxes.verify(candidate.box)) return { reason: 'bad-box-signature' }
    return this.#accept(candidate, ledger, known)
  }

  #accept(candidate: ValidPublication, ledger: EpochLedger, known: Familiarity): Outcome {
    const { courier, counter, epoch, boxHash, signature } = candidate
    ledger.log.add(courier, counter, { boxHash, signature })
    if (this.#ports.couriers.isCourier(courier, epoch) === 'unknown') ledger.unknownCount += 1
    this.#ports.recent.add(candidate.address, boxHash)
    const reason = known === 'conflict' ? 'accepted-conflict' : 'accepted'
    return { reason, publication: candidate }
  }
}

type OutOfWindow = 'epoch-near' | 'epoch-far' | 'day-near' | 'day-far'

function decodeReason(error: unknown): 'bad-version' | 'bad-counter' | 'bad-size' {
  if (isHearsayError(error, 'bad-version')) return 'bad-version'
  if (isHearsayError(error, 'bad-value')) return 'bad-counter'
  if (isHearsayError(error, 'bad-length')) return 'bad-size'
  throw error as HearsayError
}
