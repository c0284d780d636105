import type { Rig } from './rig.ts'

const NAME = 'patient'
/** How many events one `advance` acknowledges; a run makes hundreds for each, so some are always unread. */
const STEP = 10
const PATIENCE_MS = 10_000

/**
 * A durable consumer that is left alone between its steps: nobody else acknowledges for it, so where it stands is known
 * exactly, and each step acknowledges events that it has not acknowledged before.
 */
export class PatientReader {
  readonly #rig: Rig
  readonly #node: number
  /** Everything up to here was acknowledged, and the answer said so. */
  #acked = 0

  constructor(ports: { rig: Rig }, options: { node: number }) {
    this.#rig = ports.rig
    this.#node = options.node
  }

  /** It has every event before it that there is. */
  async create(): Promise<void> {
    const rpc = await this.#rig.connect(this.#node)
    try {
      this.#acked = (
        await rpc.call('events.consumers.create', { name: NAME, from: 'start' })
      ).cursor
    } finally {
      rpc.close()
    }
  }

  /** Reads on from where it stands, acknowledges the next events, and reads what follows. @returns what was wrong. */
  async advance(): Promise<string[]> {
    const upTo = this.#acked + STEP
    const wrong = await this.#misread(STEP + 1)
    const rpc = await this.#rig.connect(this.#node)
    try {
      const { cursor } = await rpc.call('events.ack', { consumer: NAME, seq: upTo })
      if (cursor !== upTo) wrong.push(`an acknowledgement of ${upTo} was answered with ${cursor}`)
    } finally {
      rpc.close()
    }
    this.#acked = upTo
    return [...wrong, ...(await this.misplaced())]
  }

  /** @returns what is wrong where it does not stand, and read on, exactly behind what it has acknowledged. */
  async misplaced(): Promise<string[]> {
    const rpc = await this.#rig.connect(this.#node)
    try {
      const { items } = await rpc.call('events.consumers.list')
      const cursor = items.find(({ name }) => name === NAME)?.cursor
      const wrong =
        cursor === this.#acked ? [] : [`acknowledged up to ${this.#acked}, it stands at ${cursor}`]
      return [...wrong, ...(await this.#misread(1))]
    } finally {
      rpc.close()
    }
  }

  /** Empty when the next `count` events are those behind the last acknowledged one. */
  async #misread(count: number): Promise<string[]> {
    const seqs: number[] = []
    const rpc = await this.#rig.connect(this.#node)
    try {
      const patience = AbortSignal.timeout(PATIENCE_MS)
      for await (const { seq } of rpc.subscribe({ consumer: NAME }, patience)) {
        seqs.push(seq)
        if (seqs.length === count) break
      }
    } finally {
      rpc.close()
    }
    const wanted = Array.from({ length: count }, (_, i) => this.#acked + 1 + i)
    if (seqs.join() === wanted.join()) return []
    return [`acknowledged up to ${this.#acked}, it reads ${seqs.join() || 'nothing'}`]
  }
}
