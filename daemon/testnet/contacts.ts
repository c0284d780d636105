import type { ContactView } from '../../src/node/index.ts'
import { listAll } from '../cli/listing.ts'
import { EXIT, ExitError } from '../exit-codes.ts'
import type { Rpc } from '../rpc-port.ts'
import type { TestnetPorts } from './ports.ts'

/** A node with an open connection. */
export interface Peer {
  readonly index: number
  readonly rpc: Rpc
}

export type Pair = readonly [Peer, Peer]

const POLL_MS = 250

/** What node `index` is called on the other nodes of a testnet. */
export function aliasOf(index: number): string {
  return `node-${index}`
}

/**
 * Makes every pair contacts of each other; pairs that are contacts already are used again. Resolves when
 * all key exchanges are done. @throws ExitError 12 when one failed, 6 when one is not done in time.
 */
export async function ensureContacts(
  ports: TestnetPorts,
  pairs: readonly Pair[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = ports.clock.monotonic() + timeoutMs
  for (const pair of pairs) {
    signal.throwIfAborted()
    await ensureInvited(pair)
  }
  const peers = new Set(pairs.flat())
  for (;;) {
    const views = new Map<Peer, Map<string, ContactView>>()
    for (const peer of peers) views.set(peer, await contactsOf(peer))
    const states = pairs.map(([a, b]) => [
      views.get(a)?.get(aliasOf(b.index)),
      views.get(b)?.get(aliasOf(a.index)),
    ])
    const failed = states.flat().find((view) => view?.state === 'failed')
    if (failed !== undefined) {
      throw new ExitError(
        EXIT.trust,
        `the key exchange with ${failed.alias} failed: ${failed.reason}`,
      )
    }
    const ready = states.filter((both) => both.every((view) => view?.state === 'ready')).length
    ports.progress(
      `exchanging keys, ${ready} of ${pairs.length} pairs ready${boxesText(states.flat())}`,
    )
    if (ready === pairs.length) return
    if (ports.clock.monotonic() > deadline) {
      throw new ExitError(
        EXIT.unconfirmed,
        `only ${ready} of ${pairs.length} key exchanges are done in time`,
        'wait longer with --timeout, or look at: hearsay testnet status',
      )
    }
    await ports.clock.sleep(POLL_MS, signal)
  }
}

/** How far the exchanges are that run; nothing when none says. */
function boxesText(views: readonly (ContactView | undefined)[]): string {
  const running = views.flatMap((view) => (view?.progress === undefined ? [] : [view.progress]))
  if (running.length === 0) return ''
  const done = running.reduce((sum, progress) => sum + progress.done, 0)
  const total = running.reduce((sum, progress) => sum + progress.total, 0)
  return `, ${done} of ${total} boxes of the others`
}

async function ensureInvited([a, b]: Pair): Promise<void> {
  const [ofA, ofB] = await Promise.all([contactsOf(a), contactsOf(b)])
  const onA = ofA.get(aliasOf(b.index))
  const onB = ofB.get(aliasOf(a.index))
  if (onA !== undefined && onB !== undefined && onA.state !== 'failed' && onB.state !== 'failed') {
    return
  }
  // Half a contact, from a run that was interrupted, cannot be completed: the invitation is gone.
  if (onA !== undefined) await a.rpc.call('contacts.remove', { contact: onA.contactId })
  if (onB !== undefined) await b.rpc.call('contacts.remove', { contact: onB.contactId })
  const { uri } = await a.rpc.call('contacts.invite', { label: aliasOf(b.index) })
  await b.rpc.call('contacts.add', { uri, alias: aliasOf(a.index) })
}

async function contactsOf(peer: Peer): Promise<Map<string, ContactView>> {
  const items = await listAll(peer.rpc, 'contacts.list', {})
  return new Map(items.map((view) => [view.alias, view]))
}
