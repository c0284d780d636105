import { type Clock, HearsayError, toHex } from '../base/index.ts'
import {
  encodeNetworkFile,
  encodeNetworkUri,
  inspectNetwork,
  type Network,
} from '../directory/index.ts'
import type { JsonObject } from '../store/index.ts'
import type { NodeApi } from './api.ts'
import type { Idempotency } from './idempotency.ts'
import { type Networks, wordsText } from './networks.ts'
import type { Session } from './session.ts'

const INVITE_TTL_MS = 7 * 86_400_000
const WORD_SEPARATOR = /[\s-]+/

export interface NetworkPorts {
  readonly clock: Clock
  readonly idempotency: Idempotency
  readonly networks: Networks
  readonly session: () => Session | undefined
  /** Starts a session in a network that was just joined. */
  readonly enter: () => Promise<Session>
  /** Ends it; `wipe` also erases contacts, messages and boxes. */
  readonly leave: (wipe: boolean) => Promise<void>
  /** Multiaddrs that the operator of this node wants told to others. */
  readonly announced: readonly string[]
  /** Adds the own peer id to addresses that have none. */
  readonly withPeerId: (addresses: readonly string[]) => string[]
}

/** network.* over the network file of this home. */
export function networkApi(ports: NetworkPorts): NodeApi['network'] {
  const { clock, idempotency, networks } = ports

  function inspect(source: string): Network {
    return inspectNetwork(source, { now: clock.now() })
  }

  /** The file that others join by: with this node as a bootstrap when it is the operator's. */
  async function published(network: Network): Promise<Network> {
    const own = ports.session()?.net.addresses() ?? []
    const missing = own.filter((address) => !network.bootstraps.includes(address))
    if (missing.length === 0 || !(await networks.isOperator(network.id))) return network
    return networks.withBootstraps(network, own, clock.now())
  }

  return {
    async create(params, ctx) {
      const created = await idempotency.run(ctx, () => {
        const bootstraps = ports.withPeerId(params.announce ?? ports.announced)
        return (batch) => {
          const network = networks.create(batch, {
            name: params.name,
            preset: params.preset ?? 'balanced',
            overrides: params.parameters ?? {},
            admission: params.admission,
            bootstraps,
            now: clock.now(),
          })
          if (params.join !== false) networks.join(batch, network)
          return () => ({
            networkId: toHex(network.id),
            words: wordsText(network.id),
            file: encodeNetworkFile(network),
            uri: encodeNetworkUri(network),
          })
        }
      })
      if (params.join === false || created.replayed === true) return created
      await ports.enter()
      // Ports that the system chose are known only now.
      const network = await published(networks.current)
      return { ...created, file: encodeNetworkFile(network), uri: encodeNetworkUri(network) }
    },

    inspect: async ({ source }) => networks.view(inspect(source)),

    async join({ source, expectWords }, ctx) {
      const network = inspect(source)
      const words = wordsText(network.id)
      if (expectWords !== undefined && plain(expectWords) !== plain(words)) {
        throw new HearsayError('network-mismatch', 'the words of this network are others', {
          words,
        })
      }
      const joined = await idempotency.run(ctx, () => (batch) => {
        networks.join(batch, network)
        return () => ({ networkId: toHex(network.id), state: 'joining' as const })
      })
      if (ports.session() === undefined) await ports.enter()
      return joined
    },

    async get() {
      const network = await published(networks.current)
      return {
        ...(await networks.view(network)),
        file: encodeNetworkFile(network),
        uri: encodeNetworkUri(network),
      }
    },

    async leave({ wipe }, ctx) {
      const networkId = toHex(networks.current.id)
      await ports.leave(wipe === true)
      return idempotency.run(ctx, () => (batch) => {
        networks.leave(batch)
        return () => ({ networkId })
      })
    },

    async invite({ uses, ttlMs }, ctx) {
      return idempotency.remember(ctx, async (): Promise<JsonObject & Invited> => {
        const network = await published(networks.current)
        return networks.invite(network, {
          uses: uses ?? 1,
          ttlMs: ttlMs ?? INVITE_TTL_MS,
          now: clock.now(),
        })
      })
    },
  }
}

interface Invited {
  readonly inviteId: string
  readonly uri: string
  readonly file: string
  readonly expiresAt: string
}

function plain(words: string): string {
  return words.trim().toLowerCase().split(WORD_SEPARATOR).join(' ')
}
