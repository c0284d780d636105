import { type Clock, HearsayError, toHex } from '../base/index.ts'
import {
  encodeNetworkFile,
  encodeNetworkUri,
  inspectNetwork,
  type Network,
} from '../directory/index.ts'
import type { JsonObject } from '../store/index.ts'
import type { NetworkCreated, NodeApi } from './api.ts'
import { checkClock } from './clock-health.ts'
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
  /** One at a time: creating, joining and leaving must not meet half of each other. */
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>
  /** Makes room for a network. @throws HearsayError `network-already-joined` when contacts of another are held. */
  readonly prepare: (network: Network) => Promise<void>
  /** Starts a session in the joined network, unless it runs. */
  readonly enter: () => Promise<void>
  /** Ends the session and finishes a wipe that was decided. */
  readonly leave: () => Promise<void>
  /** Multiaddrs that the operator of this node wants told to others. */
  readonly announced: readonly string[]
  /** Adds the own peer id to addresses that have none. */
  readonly withPeerId: (addresses: readonly string[]) => string[]
}

/** network.* over the network file of this home. */
export function networkApi(ports: NetworkPorts): NodeApi['network'] {
  const { clock, idempotency, networks } = ports

  /** What fails leaves memory as the disk is: the effect is in force before its commit, which may be refused. */
  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    return ports.exclusive(async () => {
      try {
        return await work()
      } catch (error) {
        await networks.load().catch(() => undefined)
        throw error
      }
    })
  }

  function inspect(source: string): Network {
    return inspectNetwork(source, { now: clock.now() })
  }

  /** The file that others join by: with this node as a bootstrap when it is the operator's. */
  async function published(network: Network): Promise<Network> {
    if (!(await networks.isOperator(network.id))) return network
    const own = ports.session()?.net.addresses() ?? []
    const missing = own.filter((address) => !network.bootstraps.includes(address))
    const open = networks.withoutInvitation(network)
    return missing.length === 0 ? open : networks.withBootstraps(open, own, clock.now())
  }

  /** Enters the network of an answer, unless this home has gone elsewhere since. */
  async function enter(networkId: string): Promise<boolean> {
    if (networks.joined === undefined || toHex(networks.joined.id) !== networkId) return false
    await ports.enter()
    return true
  }

  return {
    create: (params, ctx) =>
      exclusive(() =>
        idempotency.run<NetworkCreated>(
          ctx,
          async () => {
            const bootstraps = ports.withPeerId(params.announce ?? ports.announced)
            const { network, operatorSeed } = networks.make({
              name: params.name,
              preset: params.preset ?? 'balanced',
              overrides: params.parameters ?? {},
              admission: params.admission,
              bootstraps,
              now: clock.now(),
            })
            const joins = params.join !== false
            if (joins) {
              networks.checkJoin(network)
              await ports.prepare(network)
            }
            return (batch) => {
              networks.saveOperator(batch, network, operatorSeed)
              if (joins) {
                networks.join(batch, networks.selfInvited(network, operatorSeed, clock.now()))
              }
              return () => ({
                networkId: toHex(network.id),
                words: wordsText(network.id),
                file: encodeNetworkFile(network),
                uri: encodeNetworkUri(network),
              })
            }
          },
          async (created) => {
            if (params.join === false || !(await enter(created.networkId))) return created
            // Ports that the system chose are known only now.
            const network = await published(networks.current)
            return { ...created, file: encodeNetworkFile(network), uri: encodeNetworkUri(network) }
          },
        ),
      ),

    inspect: async ({ source }) => networks.view(inspect(source)),

    join: ({ source, expectWords }, ctx) =>
      exclusive(() => {
        const network = inspect(source)
        const words = wordsText(network.id)
        if (expectWords !== undefined && plain(expectWords) !== plain(words)) {
          throw new HearsayError('network-mismatch', 'the words of this network are others', {
            words,
          })
        }
        return idempotency.run(
          ctx,
          async () => {
            networks.checkJoin(network)
            checkClock(network, clock.now())
            await networks.checkAdmission(network, clock.now())
            await ports.prepare(network)
            return (batch) => {
              networks.join(batch, network)
              return () => ({ networkId: toHex(network.id), state: 'joining' as const })
            }
          },
          async (joined) => {
            await enter(joined.networkId)
            return joined
          },
        )
      }),

    async get() {
      const network = await published(networks.current)
      return {
        ...(await networks.view(network)),
        file: encodeNetworkFile(network),
        uri: encodeNetworkUri(network),
      }
    },

    leave: ({ wipe }, ctx) =>
      exclusive(() =>
        idempotency.run(
          ctx,
          () => {
            // What was left without a wipe can be wiped later.
            const networkId = wipe === true ? networks.held : undefined
            const id = toHex(networkId ?? networks.current.id)
            return (batch) => {
              networks.leave(batch, wipe === true)
              return () => ({ networkId: id })
            }
          },
          async (left) => {
            // A replay after a crash: what was joined since then is another matter.
            if (networks.joined === undefined) await ports.leave()
            return left
          },
        ),
      ),

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
