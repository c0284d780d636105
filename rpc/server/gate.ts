/** Where writers wait for a reader that is behind. Leaves no listener behind. */
export class Gate {
  #waiting = new Set<() => void>()

  /** Lets everyone who waits look again. */
  open(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const resolve of waiting) resolve()
  }

  /** Resolves when `free()` is true. @throws the signal's reason. */
  async pass(free: () => boolean, signal: AbortSignal): Promise<void> {
    while (!free() && !signal.aborted) await this.#wait(signal)
    signal.throwIfAborted()
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done)
        this.#waiting.delete(done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }
}
