import {
  equalBytes,
  fromUtf8,
  HearsayError,
  isHearsayError,
  type NetworkId,
  type Rng,
  toBase64Url,
  toHex,
  utf8,
} from '../base/index.ts'
import {
  createInvitation,
  createNetwork,
  encodeNetworkFile,
  encodeNetworkUri,
  inspectNetwork,
  type Network,
  networkWords,
  type ParameterOverrides,
  PRESETS,
  type PresetName,
  reissueNetwork,
  withInvitation,
} from '../directory/index.ts'
import { type Batch, BUCKETS, type JsonObject, type Store } from '../store/index.ts'
import type { NetworkView } from './api.ts'
import { type NodeKeys, operatorKey } from './node-keys.ts'
import { timeText } from './views.ts'

// The operator's node is admitted within the same call, or at the next start.
const SELF_INVITATION_MS = 86_400_000
const JOINED = utf8('joined')
/** Id of the network whose contacts, messages and boxes this home holds, joined or not. */
const HELD = utf8('held')
/** Present from the decision to wipe until nothing is left: a crash in between is finished at the next start. */
const WIPING = utf8('wiping')

/** Four words that name a network, for people to compare. */
export function wordsText(id: NetworkId): string {
  return networkWords(id).join(' ')
}

/** There is no file yet that could be wrong: what is wrong was said by the caller. */
function wrongParameter({ details }: HearsayError): HearsayError {
  const { reason, name } = details
  switch (reason) {
    case 'unknown-parameter':
      return new HearsayError('bad-value', 'there is no such network parameter', {
        field: `parameters.${name}`,
      })
    case 'parameter':
      return new HearsayError('bad-value', 'a network parameter is out of its range', {
        field: `parameters.${name}`,
      })
    case 'bootstrap':
      return new HearsayError('bad-value', 'not an address that other nodes can dial', {
        field: 'announce',
      })
    default:
      return new HearsayError('bad-value', 'a network of this description cannot be', {
        field: String(name ?? 'name'),
      })
  }
}

/** The network of this home: its signed file, and the operator's key when it was created here. */
export class Networks {
  readonly #store: Store
  readonly #rng: Rng
  readonly #keys: NodeKeys
  #joined: Network | undefined
  #held: NetworkId | undefined
  #wiping = false

  constructor(ports: { store: Store; rng: Rng; keys: NodeKeys }) {
    this.#store = ports.store
    this.#rng = ports.rng
    this.#keys = ports.keys
  }

  /** What the disk has takes the place of what was here. */
  async load(): Promise<void> {
    const bytes = await this.#store.get(BUCKETS.networks, JOINED)
    // A file that expired after the join still names the network that one is in.
    this.#joined = bytes === undefined ? undefined : inspectNetwork(fromUtf8(bytes), { now: 0 })
    const held = await this.#store.get(BUCKETS.networks, HELD)
    this.#held = held === undefined ? this.#joined?.id : (held as NetworkId)
    this.#wiping = (await this.#store.get(BUCKETS.networks, WIPING)) !== undefined
  }

  /** The network whose data this home holds: the joined one, or one that was left without a wipe. */
  get held(): NetworkId | undefined {
    return this.#held
  }

  /** A wipe was decided and has not been finished. */
  get wiping(): boolean {
    return this.#wiping
  }

  get joined(): Network | undefined {
    return this.#joined
  }

  /** @throws HearsayError `network-not-joined`. */
  get current(): Network {
    if (this.#joined === undefined) {
      throw new HearsayError('network-not-joined', 'this home has joined no network yet')
    }
    return this.#joined
  }

  /** A new network and its operator's seed. Nothing is stored. @throws HearsayError `bad-value`. */
  make(params: {
    name: string
    preset: string
    overrides: JsonObject
    admission: 'open' | 'operator' | undefined
    bootstraps: readonly string[]
    now: number
  }): { network: Network; operatorSeed: Uint8Array } {
    if (!Object.hasOwn(PRESETS, params.preset)) {
      throw new HearsayError('bad-value', 'the presets are swift, lab, balanced and strong', {
        field: 'preset',
      })
    }
    if (Object.hasOwn(params.overrides, 'preset')) {
      throw new HearsayError(
        'bad-value',
        'the preset is chosen beside the parameters, not among them',
        {
          field: 'parameters.preset',
        },
      )
    }
    const operatorSeed = this.#rng.bytes(32)
    const admission = params.admission === undefined ? {} : { admission: params.admission }
    try {
      const network = createNetwork({
        name: params.name,
        preset: params.preset as PresetName,
        overrides: { ...params.overrides, ...admission } as ParameterOverrides,
        bootstraps: params.bootstraps,
        operatorSeed,
        now: params.now,
        rng: this.#rng,
      })
      return { network, operatorSeed }
    } catch (error) {
      if (!isHearsayError(error, 'network-file-invalid')) throw error
      throw wrongParameter(error)
    }
  }

  saveOperator(batch: Batch, network: Network, operatorSeed: Uint8Array): void {
    batch.putSecret(BUCKETS.nodeKeys, operatorKey(network.id), operatorSeed)
  }

  /** The operator's own node is admitted like any other: by an invitation, for one use. */
  selfInvited(network: Network, operatorSeed: Uint8Array, now: number): Network {
    if (network.parameters.admission === 'open') return network
    const expiresAt = now + SELF_INVITATION_MS
    const grant = { operatorSeed, now, expiresAt, maxUses: 1, rng: this.#rng }
    return withInvitation(network, createInvitation(network, grant))
  }

  withoutInvitation(network: Network): Network {
    return network.invitation === undefined ? network : withInvitation(network, undefined)
  }

  /**
   * Throws when the network would not admit this node: better now than in a session that can never start.
   * @throws HearsayError `not-admitted`, `invite-expired`.
   */
  async checkAdmission(network: Network, now: number): Promise<void> {
    if (network.parameters.admission === 'open') return
    const held = this.#held !== undefined && equalBytes(this.#held, network.id)
    if (held && (await this.#isAdmitted())) return
    const { invitation } = network
    if (invitation === undefined) {
      throw new HearsayError('not-admitted', 'this network admits nodes by invitation only')
    }
    if (now >= invitation.grant.expiresAt) {
      throw new HearsayError('invite-expired', 'the invitation to this network has expired')
    }
  }

  async #isAdmitted(): Promise<boolean> {
    for await (const _ of this.#store.keys(BUCKETS.admissions, { limit: 1 })) return true
    return false
  }

  /** @throws HearsayError `network-already-joined` while in another network. */
  checkJoin(network: Network): void {
    if (this.#joined !== undefined && !equalBytes(this.#joined.id, network.id)) {
      throw new HearsayError(
        'network-already-joined',
        'this home is in another network; leave it first, or use another home',
      )
    }
  }

  /** @throws as `checkJoin`. */
  join(batch: Batch, network: Network): void {
    this.checkJoin(network)
    this.#joined = network
    this.#held = network.id
    batch.put(BUCKETS.networks, JOINED, utf8(encodeNetworkFile(network)))
    batch.put(BUCKETS.networks, HELD, network.id)
  }

  /** With `wipe` the decision to erase what the network left here is on disk in the same batch. */
  leave(batch: Batch, wipe: boolean): void {
    this.#joined = undefined
    batch.del(BUCKETS.networks, JOINED)
    if (!wipe) return
    this.#wiping = true
    batch.put(BUCKETS.networks, WIPING, new Uint8Array())
  }

  /** Nothing of the network is left. */
  wiped(batch: Batch): void {
    if (this.#held !== undefined) batch.del(BUCKETS.nodeKeys, operatorKey(this.#held))
    this.#held = undefined
    this.#wiping = false
    batch.del(BUCKETS.networks, HELD).del(BUCKETS.networks, WIPING)
  }

  /** The file with these bootstraps, signed again, when the operator's key is here; else as it is. */
  async withBootstraps(
    network: Network,
    bootstraps: readonly string[],
    now: number,
  ): Promise<Network> {
    const seed = await this.#keys.operator(network.id)
    if (seed === undefined) return network
    const { invitation } = network
    const at = Math.max(now, network.issuedAt + 1)
    const reissued = reissueNetwork(network, { bootstraps }, seed, at)
    return invitation === undefined ? reissued : withInvitation(reissued, invitation)
  }

  /** The file with a fresh invitation. @throws HearsayError `not-operator`. */
  async invite(network: Network, params: { uses: number; ttlMs: number; now: number }) {
    const operatorSeed = await this.#keys.operator(network.id)
    if (operatorSeed === undefined) {
      throw new HearsayError('not-operator', 'only the operator of the network can invite')
    }
    const expiresAt = params.now + params.ttlMs
    const invitation = createInvitation(network, {
      operatorSeed,
      now: params.now,
      expiresAt,
      maxUses: params.uses,
      rng: this.#rng,
    })
    const invited = withInvitation(network, invitation)
    return {
      inviteId: toBase64Url(invitation.grant.id),
      uri: encodeNetworkUri(invited),
      file: encodeNetworkFile(invited),
      expiresAt: timeText(expiresAt),
    }
  }

  async isOperator(id: NetworkId): Promise<boolean> {
    return (await this.#keys.operator(id)) !== undefined
  }

  async view(network: Network): Promise<NetworkView> {
    const { preset, admission } = network.parameters
    return {
      networkId: toHex(network.id),
      name: network.name,
      words: wordsText(network.id),
      preset,
      parameters: JSON.parse(JSON.stringify(network.parameters)) as JsonObject,
      operatorKey: toHex(network.operatorKey),
      bootstraps: network.bootstraps,
      createdAt: timeText(network.createdAt),
      ...(network.expiresAt === undefined ? {} : { expiresAt: timeText(network.expiresAt) }),
      admission: admission === 'open' ? 'open' : 'operator',
      operator: await this.isOperator(network.id),
    }
  }
}
