import { type BoxBytes, isHearsayError, type Logger, type TaskGroup } from '../base/index.ts'
import { parseBox } from '../stream/index.ts'
import type { SlotWork } from './ports.ts'

export interface BoxSourcePorts {
  readonly log: Logger
  readonly tasks: TaskGroup
  readonly source: Pick<SlotWork, 'nextBox' | 'published' | 'coverBox'>
  /** False while only cover may leave. */
  readonly mayLeave: () => boolean
}

/**
 * Gives each publication its box. The source is asked ahead of the moment, one question at a time; what it filled
 * too late waits for the next publication, because lateness must not tell that a box is real.
 */
export class BoxSource {
  readonly #ports: BoxSourcePorts
  /** Real boxes that are filled and have not left, oldest first. */
  readonly #ready: BoxBytes[] = []
  #due = 0
  #asking = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(ports: BoxSourcePorts) {
    this.#ports = ports
  }

  /** A publication comes: asks for a box unless one waits, and not while real boxes are held back. */
  expect(): void {
    this.#due++
    if (this.#ready.length + this.#asking >= this.#due || !this.#ports.mayLeave()) return
    this.#asking++
    const previous = this.#last
    this.#ports.tasks.spawn('prepare', async () => {
      const turn = previous.then(() => this.#ports.source.nextBox())
      this.#last = turn.catch(() => undefined)
      try {
        const box = await turn
        if (box !== undefined) this.#ready.push(box)
      } finally {
        this.#asking--
      }
    })
  }

  /** Its moment is here: the real box that is ready, else cover. Cover is made every time: the work is the same. */
  take(): { readonly box: BoxBytes; readonly isReal: boolean } {
    this.#due--
    const cover = this.#ports.source.coverBox()
    while (this.#ports.mayLeave()) {
      const real = this.#ready.shift()
      if (real === undefined) break
      if (parseBox(real).expiryDay === parseBox(cover).expiryDay) return { box: real, isReal: true }
      // Yesterday's date would tell that it had to wait, as only real boxes do.
      this.tell(real, false)
    }
    return { box: cover, isReal: false }
  }

  /** What became of a real box. Once for each. */
  tell(box: BoxBytes, hasLeft: boolean): void {
    this.#ports.tasks.spawn('published', async () => {
      try {
        await this.#ports.source.published(box, hasLeft)
      } catch (error) {
        const code = isHearsayError(error) ? error.code : 'bug'
        this.#ports.log.warn('the fate of a box was not noted', { code })
      }
    })
  }
}
