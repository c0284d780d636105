import {
  fromUtf8,
  HearsayError,
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
import { NodeKeys, operatorKey } from './node-keys.ts'
import { timeText } from './views.ts'

const JOINED = utf8('joined')

/** Four words that name a network, for people to compare. */
export function wordsText(id: NetworkId): string {
  return networkWords(id).join(' ')
}

/** The network of this home: its signed file, and the operator's key when it was created here. */
export class Networks {
  readonly #store: Store
  readonly #rng: Rng
  readonly #keys: NodeKeys
  #joined: Network | undefined

  constructor(ports: { store: Store; rng: Rng; keys: NodeKeys }) {
    this.#store = ports.store
    this.#rng = ports.rng
    this.#keys = ports.keys
  }

  async load(): Promise<void> {
    const bytes = await this.#store.get(BUCKETS.networks, JOINED)
    // A file that expired after the join still names the network that one is in.
    if (bytes !== undefined) this.#joined = inspectNetwork(fromUtf8(bytes), { now: 0 })
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

  /** A new network and its operator key. Not joined by this. @throws HearsayError `network-file-invalid`. */
  create(
    batch: Batch,
    params: {
      name: string
      preset: string
      overrides: JsonObject
      admission: 'open' | 'operator' | undefined
      bootstraps: readonly string[]
      now: number
    },
  ): Network {
    if (!Object.hasOwn(PRESETS, params.preset)) {
      throw new HearsayError('bad-value', 'the presets are swift, lab, balanced and strong', {
        field: 'preset',
      })
    }
    const operatorSeed = this.#rng.bytes(32)
    const admission = params.admission === undefined ? {} : { admission: params.admission }
    const network = createNetwork({
      name: params.name,
      preset: params.preset as PresetName,
      overrides: { ...params.overrides, ...admission } as ParameterOverrides,
      bootstraps: params.bootstraps,
      operatorSeed,
      now: params.now,
      rng: this.#rng,
    })
    batch.putSecret(BUCKETS.nodeKeys, operatorKey(network.id), operatorSeed)
    return network
  }

  /** @throws HearsayError `network-already-joined` while in another network. */
  join(batch: Batch, network: Network): void {
    if (this.#joined !== undefined && toHex(this.#joined.id) !== toHex(network.id)) {
      throw new HearsayError(
        'network-already-joined',
        'this home is in another network; leave it first, or use another home',
      )
    }
    this.#joined = network
    batch.put(BUCKETS.networks, JOINED, utf8(encodeNetworkFile(network)))
  }

  leave(batch: Batch): void {
    this.#joined = undefined
    batch.del(BUCKETS.networks, JOINED)
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
