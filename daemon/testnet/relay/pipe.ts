import type { Socket } from 'node:net'
import type { Clock, Rng, Timer } from '../../../src/base/index.ts'
import { isShaped, type LinkFaults, NO_FAULTS } from './link-faults.ts'
import { type Segment, Shaper } from './shaper.ts'

/** Bytes held for one direction of a connection before its sender has to wait. */
export const HELD_BYTES = 1_048_576
/** What a sender gets across a link that is cut the other way only: no acknowledgement comes back for it. */
export const UNACKNOWLEDGED_BYTES = 65_536

/** What a pipe needs of the two sockets it stands between. */
export type PipeEnd = Pick<
  Socket,
  'on' | 'write' | 'end' | 'pause' | 'resume' | 'resetAndDestroy' | 'destroyed'
>

export interface PipePorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly source: PipeEnd
  readonly target: PipeEnd
}

/**
 * One direction of a connection. Bytes come out in the order and, but for `repeat`, exactly as they went in,
 * delayed as the link says; nothing is thrown away while both ends live. At most `HELD_BYTES` and one read more
 * are held. A clean link adds no copy and no timer. Ends, clean or by reset, travel like bytes.
 */
export class Pipe {
  readonly #ports: PipePorts
  readonly #shaper: Shaper
  #faults: LinkFaults = NO_FAULTS
  #backDown = false
  readonly #queue: Segment[] = []
  #held = 0
  #crossed = 0
  #targetFull = false
  /** What the source did last, and what of it the target knows. */
  #source: 'open' | 'ended' | 'reset' = 'open'
  #told: 'open' | 'ended' | 'reset' = 'open'
  #timer: Timer | undefined

  constructor(ports: PipePorts) {
    this.#ports = ports
    this.#shaper = new Shaper(ports)
  }

  start(): void {
    const { source, target } = this.#ports
    source.on('data', (bytes: Buffer) => this.#take(bytes))
    source.on('end', () => this.#over('ended'))
    // `close` follows and says so too.
    source.on('error', () => {})
    source.on('close', (hadError) => {
      if (hadError || this.#source === 'open') this.#over('reset')
    })
    target.on('drain', () => {
      this.#targetFull = false
      this.#flush()
    })
    source.resume()
  }

  /** From now on the link has these faults; `backDown`: nothing passes in the other direction. */
  set(faults: LinkFaults, backDown: boolean): void {
    if (!backDown) this.#crossed = 0
    this.#faults = faults
    this.#backDown = backDown
    this.#flush()
  }

  #take(bytes: Uint8Array): void {
    if (this.#ports.target.destroyed) return
    if (this.#queue.length === 0 && !isShaped(this.#faults) && this.#mayPass()) {
      this.#write(bytes)
      if (this.#targetFull) this.#ports.source.pause()
      return
    }
    for (const segment of this.#shaper.take(bytes, this.#faults, this.#ports.clock.monotonic())) {
      this.#queue.push(segment)
      this.#held += segment.bytes.length
    }
    if (this.#held > HELD_BYTES) this.#ports.source.pause()
    this.#flush()
  }

  #mayPass(): boolean {
    if (this.#faults.down || this.#targetFull) return false
    return !this.#backDown || this.#crossed < UNACKNOWLEDGED_BYTES
  }

  #write(bytes: Uint8Array): void {
    this.#crossed += this.#backDown ? bytes.length : 0
    if (!this.#ports.target.write(bytes)) this.#targetFull = true
  }

  /** Writes what is due, sets a timer for what is not, and lets the source go on when there is room. */
  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const { clock, source, target } = this.#ports
    if (target.destroyed) {
      this.#queue.length = 0
      this.#held = 0
    }
    const now = clock.monotonic()
    let written = 0
    for (const { bytes, dueAt } of this.#queue) {
      if (!this.#mayPass() || dueAt > now) break
      this.#write(bytes)
      this.#held -= bytes.length
      written++
    }
    this.#queue.splice(0, written)
    const [next] = this.#queue
    if (next !== undefined && this.#mayPass()) {
      this.#timer = clock.setTimer(Math.max(0, next.dueAt - now), () => this.#flush())
    }
    if (this.#held <= HELD_BYTES / 2 && !this.#targetFull) source.resume()
    if (next === undefined) this.#tellEnd()
  }

  #over(how: 'ended' | 'reset'): void {
    this.#source = how
    if (this.#queue.length === 0) this.#tellEnd()
  }

  #tellEnd(): void {
    if (this.#told === this.#source || this.#faults.down) return
    this.#told = this.#source
    const { target } = this.#ports
    if (target.destroyed) return
    if (this.#source === 'ended') target.end()
    else target.resetAndDestroy()
  }
}
