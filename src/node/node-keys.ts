import { type NetworkId, type Rng, utf8 } from '../base/index.ts'
import { BUCKETS, type Store } from '../store/index.ts'

const SEED_BYTES = 32

/** The long-term keys of a home: on the secret shelf, made on first use. */
export class NodeKeys {
  readonly #store: Store
  readonly #rng: Rng

  constructor(ports: { store: Store; rng: Rng }) {
    this.#store = ports.store
    this.#rng = ports.rng
  }

  /** The Ed25519 seed of the node key and when it was made, milliseconds. */
  async node(now: number): Promise<{ seed: Uint8Array; createdAt: number }> {
    const key = utf8('node')
    const found = await this.#store.get(BUCKETS.nodeKeys, key)
    if (found !== undefined) {
      return { seed: found.slice(8), createdAt: Number(Buffer.from(found).readBigUInt64BE(0)) }
    }
    const seed = this.#rng.bytes(SEED_BYTES)
    const value = Buffer.alloc(8 + SEED_BYTES)
    value.writeBigUInt64BE(BigInt(now))
    value.set(seed, 8)
    await this.#store.batch().putSecret(BUCKETS.nodeKeys, key, value).commit()
    return { seed, createdAt: now }
  }

  /** The operator's seed of a network that was created here. */
  operator(networkId: NetworkId): Promise<Uint8Array | undefined> {
    return this.#store.get(BUCKETS.nodeKeys, operatorKey(networkId))
  }

  /** The X25519 seed under which requests to this node are sealed. */
  async request(): Promise<Uint8Array> {
    const key = utf8('request')
    const found = await this.#store.get(BUCKETS.nodeKeys, key)
    if (found !== undefined) return found
    const seed = this.#rng.bytes(SEED_BYTES)
    await this.#store.batch().putSecret(BUCKETS.nodeKeys, key, seed).commit()
    return seed
  }
}

/** Where the operator's seed of a network rests. */
export function operatorKey(networkId: NetworkId): Uint8Array {
  return new Uint8Array([...utf8('operator/'), ...networkId])
}
