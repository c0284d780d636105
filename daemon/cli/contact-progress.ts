import type { ContactView } from '../../src/node/index.ts'
import type { Rpc } from '../rpc-port.ts'
import { unlessSilent, type Waiting } from '../waiting.ts'

const POLL_MS = 250

export interface FollowOptions {
  readonly contact: string
  readonly timeoutMs: number
  readonly onChange: (view: ContactView) => void
}

/**
 * Watches a key exchange until it is ready, has failed, or the time is over; returns the last view.
 * @throws ExitError 5 when the daemon is silent.
 */
export async function followContact(
  { rpc, clock, signal }: Waiting & { readonly rpc: Rpc },
  options: FollowOptions,
): Promise<ContactView> {
  const deadline = clock.monotonic() + options.timeoutMs
  for (;;) {
    const view = await unlessSilent({ clock, signal }, 0, (until) =>
      rpc.call('contacts.get', { contact: options.contact }, until),
    )
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
