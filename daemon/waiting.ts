import { MAX_WAIT_MS, RpcFailure } from '../rpc/client/index.ts'
import type { Clock } from '../src/base/index.ts'

/**
 * Waits by calls that each wait for whole milliseconds, and for MAX_WAIT_MS at most, as the RPC wants it, until `ms` are over.
 * @throws RpcFailure TIMEOUT then, and whatever else `ask` throws.
 */
export async function waitInSteps<T>(
  clock: Clock,
  ms: number,
  ask: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  const deadline = clock.monotonic() + ms
  for (;;) {
    const left = Math.max(0, Math.ceil(deadline - clock.monotonic()))
    try {
      return await ask(Math.min(left, MAX_WAIT_MS))
    } catch (error) {
      const isLate = error instanceof RpcFailure && error.kind === 'TIMEOUT'
      if (!isLate || clock.monotonic() >= deadline || left <= MAX_WAIT_MS) throw error
    }
  }
}
