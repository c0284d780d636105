import { EXIT, ExitError } from '../exit-codes.ts'
import type { Rpc } from '../rpc-port.ts'
import type { TestnetPorts } from './ports.ts'
import type { NodeState } from './state.ts'

/** Runs `use` with a connection to `node` and closes it. */
export async function withNode<T>(
  ports: Pick<TestnetPorts, 'connect'>,
  node: NodeState,
  use: (rpc: Rpc) => Promise<T>,
): Promise<T> {
  const rpc = await ports.connect(node.rpc)
  try {
    return await use(rpc)
  } finally {
    rpc.close()
  }
}

/**
 * As `withNode`, and not for longer than until `deadline`: of a node that is frozen the kernel takes connections, and nobody
 * answers. The signal is for the calls of `use`. @throws ExitError 5 when it is late; the reason of `signal`.
 */
export async function withNodeInTime<T>(
  ports: Pick<TestnetPorts, 'connect' | 'clock'>,
  node: NodeState,
  { deadline, signal }: { readonly deadline: number; readonly signal: AbortSignal },
  use: (rpc: Rpc, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const timer = ports.clock.setTimer(deadline - ports.clock.monotonic(), () => late.abort())
  try {
    return await withNode(ports, node, (rpc) => use(rpc, AbortSignal.any([signal, late.signal])))
  } catch (error) {
    signal.throwIfAborted()
    if (!late.signal.aborted) throw error
    throw silentNode(node, error)
  } finally {
    timer.cancel()
  }
}

export function silentNode({ index }: NodeState, cause: unknown): ExitError {
  return new ExitError(
    EXIT.notReady,
    `node ${index} does not answer`,
    'hearsay testnet status shows which nodes are silent; end a testnet pause, or wait longer with --timeout',
    cause,
  )
}

/**
 * Runs `work` for every item, at most `limit` at a time; rejects with the first failure after all ended. What has not begun at
 * the first failure is left, unless `isStubborn`.
 */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
  { isStubborn = false } = {},
): Promise<void> {
  const queue = [...items]
  const failures: unknown[] = []
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item)
      } catch (error) {
        failures.push(error)
        if (!isStubborn) queue.length = 0
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, worker))
  if (failures.length > 0) throw failures[0]
}
