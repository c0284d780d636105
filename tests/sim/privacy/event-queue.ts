/** Events in the order of their times, in typed arrays: a binary heap that allocates only when it grows. */
export class EventQueue {
  #times = new Float64Array(1_024)
  #events = new Int32Array(1_024)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Time of the next event; Infinity when there is none. */
  get nextTime(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  push(time: number, event: number): void {
    if (this.#size === this.#times.length) this.#grow()
    const times = this.#times
    const events = this.#events
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = times[parent] as number
      if (above <= time) break
      times[at] = above
      events[at] = events[parent] as number
      at = parent
    }
    times[at] = time
    events[at] = event
  }

  /** Takes the next event. @throws RangeError when there is none. */
  pop(): number {
    if (this.#size === 0) throw new RangeError('no event')
    const times = this.#times
    const events = this.#events
    const taken = events[0] as number
    const size = --this.#size
    const time = times[size] as number
    const event = events[size] as number
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && (times[child + 1] as number) < (times[child] as number)) child++
      const below = times[child] as number
      if (below >= time) break
      times[at] = below
      events[at] = events[child] as number
      at = child
    }
    times[at] = time
    events[at] = event
    return taken
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length)
    const events = new Int32Array(times.length)
    times.set(this.#times)
    events.set(this.#events)
    this.#times = times
    this.#events = events
  }
}
