import { type Clock, type Logger, type NodeId, type Rng, shuffled, uniform } from '../base/index.ts'
import {
  REACHABILITY_CHECK_MS,
  REACHABILITY_FAILED_ROUNDS,
  REACHABILITY_HELPERS,
  REACHABILITY_RETRY_MS,
  REACHABILITY_SETTLE_MS,
  REACHABILITY_TICK_MS,
  REACHABILITY_VOTES,
} from './constants.ts'
import type { DialBackOutcome } from './dial-back.ts'
import type { Hindrance, Reachability } from './ports.ts'

/** A connected, known node that may be asked. */
export interface Helper {
  readonly nodeId: NodeId
  /** Who shares this may be one and the same party: the /16 of its address, /32 for IPv6. */
  readonly group: string
}

export interface ReachabilityPorts {
  clock: Clock
  rng: Rng
  log: Logger
  /** False: this node has no address that anybody could dial. */
  hasAddress(): boolean
  helpers(): readonly Helper[]
  /** Never rejects, save when the signal aborts. */
  ask(helper: NodeId, signal: AbortSignal): Promise<DialBackOutcome>
}

type Verdict = 'reachable' | 'closed' | 'elsewhere' | 'undecided'

/**
 * Finds out whether others can dial this node by asking a few of them to try, and asks again for as long as it runs.
 * It starts with `unknown`, and nobody alone decides while more nodes can be asked. SPEC.md §6 has the rules.
 */
export class ReachabilityWatch {
  readonly #ports: ReachabilityPorts
  readonly #isAuto: boolean
  readonly #listeners = new Set<(reachability: Reachability) => void>()
  #state: Reachability
  #hindrance: Hindrance | undefined
  #isAlone = true
  /** What was found out may no longer hold: the next round decides by itself. */
  #isDoubted = true
  #failedRounds = 0
  #retries = 0
  #wake: (() => void) | undefined

  constructor(ports: ReachabilityPorts, options: { reachable: 'auto' | 'yes' | 'no' }) {
    this.#ports = ports
    this.#isAuto = options.reachable === 'auto'
    this.#state = { auto: 'unknown', yes: 'reachable', no: 'unreachable' }[
      options.reachable
    ] as Reachability
    this.#hindrance = options.reachable === 'no' ? 'configured' : undefined
  }

  get state(): Reachability {
    return this.#state
  }

  /** Why others cannot dial this node; undefined unless it is unreachable. */
  get hindrance(): Hindrance | undefined {
    return this.#hindrance
  }

  /** Called after each change. Returns the function that ends it. */
  onChange(listener: (reachability: Reachability) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (this.#isAuto && !signal.aborted) {
      const wait = await this.#step(signal)
      await this.#pause(wait * (0.5 + uniform(this.#ports.rng)), signal)
    }
  }

  /** A connection went. Without any, this node may have moved to another place. */
  connectionLost(): void {
    if (this.#hasLostAll()) this.#wake?.()
  }

  #hasLostAll(): boolean {
    return !this.#isAlone && this.#ports.helpers().length === 0
  }

  /** Returns how long to wait before the next step. */
  async #step(signal: AbortSignal): Promise<number> {
    if (!this.#ports.hasAddress()) {
      this.#set('unreachable', 'no-address')
      return REACHABILITY_TICK_MS
    }
    const helpers = this.#ports.helpers()
    const wasAlone = this.#isAlone
    this.#isAlone = helpers.length === 0
    if (this.#isAlone) {
      this.#isDoubted = true
      this.#retries = 0
      return REACHABILITY_TICK_MS
    }
    if (wasAlone) return REACHABILITY_SETTLE_MS
    return this.#apply(await this.#round(helpers, signal))
  }

  async #round(helpers: readonly Helper[], signal: AbortSignal): Promise<Verdict> {
    const asked = this.#pick(helpers)
    const outcomes = await Promise.all(asked.map(({ nodeId }) => this.#ports.ask(nodeId, signal)))
    const count = (outcome: DialBackOutcome) => outcomes.filter((each) => each === outcome).length
    const yes = count('confirmed')
    const no = count('failed') + count('elsewhere')
    const enough = Math.min(REACHABILITY_VOTES, helpers.length)
    if (yes >= enough && yes > no) return 'reachable'
    if (no < enough || no <= yes) return 'undecided'
    return count('elsewhere') > count('failed') ? 'elsewhere' : 'closed'
  }

  /** Of as many groups as there are, in random order; then whoever is left. */
  #pick(helpers: readonly Helper[]): Helper[] {
    const groups = new Set<string>()
    const [first, rest]: [Helper[], Helper[]] = [[], []]
    for (const helper of shuffled(this.#ports.rng, helpers)) {
      if (groups.has(helper.group)) rest.push(helper)
      else first.push(helper)
      groups.add(helper.group)
    }
    return [...first, ...rest].slice(0, REACHABILITY_HELPERS)
  }

  #apply(verdict: Verdict): number {
    if (verdict === 'reachable') {
      this.#settle('reachable', undefined)
      return REACHABILITY_CHECK_MS
    }
    const isHeld =
      this.#state === 'reachable' &&
      !this.#isDoubted &&
      this.#failedRounds + 1 < REACHABILITY_FAILED_ROUNDS
    if (verdict !== 'undecided' && isHeld) this.#failedRounds += 1
    else if (verdict !== 'undecided') this.#settle('unreachable', verdict)
    return Math.min(REACHABILITY_RETRY_MS * 2 ** this.#retries++, REACHABILITY_CHECK_MS)
  }

  #settle(state: Reachability, hindrance: Hindrance | undefined): void {
    this.#isDoubted = false
    this.#failedRounds = 0
    if (state === 'reachable' || state !== this.#state) this.#retries = 0
    this.#set(state, hindrance)
  }

  #set(state: Reachability, hindrance: Hindrance | undefined): void {
    this.#hindrance = hindrance
    if (this.#state === state) return
    this.#state = state
    this.#ports.log.info('reachability changed', { reachability: state })
    for (const listener of this.#listeners) listener(state)
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    // Lost while the round was going on.
    if (this.#hasLostAll()) return
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    try {
      await this.#ports.clock.sleep(ms, AbortSignal.any([signal, woken.signal]))
    } catch {
      // Woken or stopped: the loop looks again.
    } finally {
      this.#wake = undefined
    }
  }
}
