import { EXIT, ExitError } from '../exit-codes.ts'
import { isLate, waitInSteps } from '../waiting.ts'
import { inParallel, silentNode, withNodeInTime } from './asking.ts'
import type { TestnetPorts } from './ports.ts'
import { isAlive } from '../processes.ts'
import { faultsOf, type LinkTable } from './relay/index.ts'
import type { NodeState, TestnetState } from './state.ts'

/** Which nodes are meant, and until when; the others run or not, and are left alone. */
export interface Wanted {
  readonly nodes: readonly NodeState[]
  readonly deadline: number
  readonly signal: AbortSignal
}

const JOINS_AT_ONCE = 8
const ANSWER_MS = 5_000

/**
 * Joins every wanted node that has no network to that of the first node that runs, which makes one where it has none.
 * @throws ExitError 5 when a node that is asked does not answer in time.
 */
export async function joinAll(
  ports: TestnetPorts,
  state: TestnetState,
  wanted: Wanted,
): Promise<void> {
  ports.progress('joining the network …')
  const [first] = running(state)
  if (first === undefined) return
  let asked: Promise<string> | undefined
  const network = () => (asked ??= networkOf(ports, state, { first, wanted }))
  if (wanted.nodes.includes(first)) await network()
  const others = wanted.nodes.filter((node) => node !== first)
  await inParallel(others, JOINS_AT_ONCE, async (node) => {
    wanted.signal.throwIfAborted()
    const hasNone = await withNodeInTime(ports, node, wanted, async (rpc, signal) => {
      const status = await rpc.call('node.status', {}, signal)
      return status.network === null
    })
    if (!hasNone) return
    const uri = await network()
    await withNodeInTime(ports, node, wanted, (rpc, signal) =>
      rpc.call('network.join', { uri }, signal),
    )
  })
}

/** The URI of the network of `first`. */
function networkOf(
  ports: TestnetPorts,
  { preset, parameters }: TestnetState,
  { first, wanted }: { readonly first: NodeState; readonly wanted: Wanted },
): Promise<string> {
  return withNodeInTime(ports, first, wanted, async (rpc, signal) => {
    const { network } = await rpc.call('node.status', {}, signal)
    if (network !== null) return (await rpc.call('network.get', {}, signal)).uri
    const created = await rpc.call(
      'network.create',
      {
        name: 'testnet',
        preset,
        ...(parameters === undefined ? {} : { parameters }),
        admission: 'open',
        announce: [first.address],
        join: true,
      },
      signal,
    )
    return created.uri
  })
}

/**
 * Resolves when every wanted node is linked, or runs and cannot be: a node that all links are cut of is not waited for. The
 * state has their peer ids then. @throws ExitError 5 when one is not linked in time.
 */
export async function waitLinked(
  ports: TestnetPorts,
  state: TestnetState,
  wanted: Wanted & { readonly links: LinkTable },
): Promise<TestnetState> {
  let linked = 0
  const nodes = [...state.nodes]
  // For the answer that it is not linked: it comes after the deadline.
  const answered = { ...wanted, deadline: wanted.deadline + ANSWER_MS }
  await Promise.all(
    wanted.nodes.map(async (node) => {
      const mayLink = !isCutOff(state, wanted.links, node)
      const peerId = await withNodeInTime(ports, node, answered, async (rpc, signal) => {
        if (!mayLink) return (await rpc.call('node.status', {}, signal)).peerId
        const leftMs = Math.max(1, wanted.deadline - ports.clock.monotonic())
        try {
          const { peerId } = await waitInSteps(
            { clock: ports.clock, signal },
            leftMs,
            (ms, until) => rpc.call('node.wait', { for: 'linked', timeoutMs: ms }, until),
          )
          return peerId
        } catch (error) {
          if (error instanceof ExitError && error.exitCode === EXIT.notReady) {
            throw silentNode(node, error)
          }
          if (!isLate(error)) throw error
          throw new ExitError(
            EXIT.notReady,
            `node ${node.index} runs and is not linked in time`,
            `hearsay --home ${node.home} doctor says what is missing`,
            error,
          )
        }
      })
      ports.progress(`linking nodes, ${++linked} of ${wanted.nodes.length} linked`)
      nodes[node.index] = { ...node, peerId }
    }),
  )
  return { ...state, nodes }
}

/** True when no link to another node that runs passes anything both ways. */
export function isCutOff(state: TestnetState, links: LinkTable, { index }: NodeState): boolean {
  const others = running(state).filter((node) => node.index !== index)
  const isOpen = (other: NodeState): boolean =>
    !faultsOf(links, index, other.index).down && !faultsOf(links, other.index, index).down
  return others.length > 0 && !others.some(isOpen)
}

export function running(state: TestnetState): NodeState[] {
  return state.nodes.filter(({ process }) => process !== undefined && isAlive(process))
}
