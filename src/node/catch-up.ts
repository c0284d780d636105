import { type Clock, isHearsayError, type Logger } from '../base/index.ts'
import type { Conversations } from '../conversation/index.ts'
import { CATCH_UP_PEERS, type Mailbox } from '../mailbox/index.ts'
import type { Store } from '../store/index.ts'

/** How far coming back is: what others heard meanwhile, then what only keepers still have. */
export interface CatchUpView {
  readonly phase: 'idle' | 'reconciling' | 'fetching' | 'done'
  /** Sessions with peers, then look-ups at keepers. The total of look-ups may grow with what they find. */
  readonly done: number
  readonly total: number
}

export interface CatchUpPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Pick<Store, 'batch'>
  readonly mailbox: Pick<Mailbox, 'catchUp'>
  readonly conversations: Pick<
    Conversations,
    'catchUp' | 'catchUpProgress' | 'hasContacts' | 'isCatchingUp'
  >
}

const POLL_MS = 500
// Events are kept on disk: a bar needs no more than this, and one that takes a day no more than some hundred.
const EVENT_EVERY_MS = 5_000
const EVENT_EVERY_SHARE = 1 / 20

/**
 * After an absence: the hot window is reconciled with random peers, which names no box to them, then older boxes are
 * asked for at the pace of the slots, among questions that nobody waits for. Evented and shown, because it takes
 * minutes where slots are slow.
 */
export class CatchUp {
  readonly #ports: CatchUpPorts
  #view: CatchUpView | 'fetching' = { phase: 'idle', done: 0, total: 0 }
  #startedAt = 0
  #saidAt = 0
  #said = ''

  constructor(ports: CatchUpPorts) {
    this.#ports = ports
  }

  get view(): CatchUpView {
    return this.#view === 'fetching' ? this.#fetching() : this.#view
  }

  /** Resolves when nothing is left to ask for. @throws HearsayError `aborted`. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, conversations } = this.#ports
    this.#startedAt = clock.monotonic()
    await this.#show({ phase: 'reconciling', done: 0, total: CATCH_UP_PEERS })
    await this.#reconcile(signal)
    conversations.catchUp()
    while (conversations.isCatchingUp()) {
      this.#view = 'fetching'
      if (this.#isDue('fetching')) await this.#tell(this.#fetching())
      await clock.sleep(POLL_MS, signal)
    }
    const { total } = conversations.catchUpProgress()
    this.#view = { phase: 'done', done: total, total }
    if (!conversations.hasContacts()) return
    await this.#append('catchup.done', {
      fetched: total,
      tookMs: Math.round(clock.monotonic() - this.#startedAt),
    })
  }

  async #reconcile(signal: AbortSignal): Promise<void> {
    let done = 0
    try {
      await this.#ports.mailbox.catchUp(signal, async () => {
        done++
        await this.#show({ phase: 'reconciling', done, total: CATCH_UP_PEERS })
      })
    } catch (error) {
      if (signal.aborted) throw error
      // Whatever it was: keepers are asked all the same.
      const code = isHearsayError(error) ? error.code : 'bug'
      this.#ports.log.debug('catching up was cut short', { code })
    }
  }

  async #show(view: CatchUpView): Promise<void> {
    this.#view = view
    if (this.#isDue(view.phase)) await this.#tell(view)
  }

  #fetching(): CatchUpView {
    return { phase: 'fetching', ...this.#ports.conversations.catchUpProgress() }
  }

  #isDue(phase: CatchUpView['phase']): boolean {
    const { clock, conversations } = this.#ports
    const now = clock.monotonic()
    const every = Math.max(EVENT_EVERY_MS, (now - this.#startedAt) * EVENT_EVERY_SHARE)
    const isNews = phase !== this.#said || now - this.#saidAt >= every
    return isNews && conversations.hasContacts()
  }

  async #tell(view: CatchUpView): Promise<void> {
    this.#said = view.phase
    this.#saidAt = this.#ports.clock.monotonic()
    await this.#append('catchup.progress', { ...view })
  }

  async #append(type: string, data: Readonly<Record<string, string | number>>): Promise<void> {
    await this.#ports.store.batch().append({ type, data }).commit()
  }
}
