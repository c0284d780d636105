import type { Clock } from '../../src/base/index.ts'
import type { ContactView } from '../../src/node/index.ts'
import type { Rpc } from '../rpc-port.ts'

const POLL_MS = 250

export interface FollowOptions {
  readonly contact: string
  readonly timeoutMs: number
  readonly onChange: (view: ContactView) => void
}

/** Watches a key exchange until it is ready, has failed, or the time is over; returns the last view. */
export async function followContact(
  ports: { rpc: Rpc; clock: Clock },
  options: FollowOptions,
  signal: AbortSignal,
): Promise<ContactView> {
  const { rpc, clock } = ports
  const deadline = clock.monotonic() + options.timeoutMs
  for (;;) {
    const view = await rpc.call('contacts.get', { contact: options.contact }, signal)
    options.onChange(view)
    const settled = view.state === 'ready' || view.state === 'failed'
    if (settled || clock.monotonic() >= deadline) return view
    await clock.sleep(POLL_MS, signal)
  }
}

/** `waiting`, `exchanging 4/9`, `ready`, `failed: reason`. */
export function stateText(view: ContactView): string {
  if (view.state === 'exchanging' && view.progress !== undefined) {
    return `exchanging ${view.progress.done}/${view.progress.total}`
  }
  if (view.state === 'failed' && view.reason !== undefined) return `failed: ${view.reason}`
  return view.state === 'waiting' ? 'waiting for the other side' : view.state
}
