import type { Logger } from '../base/index.ts'

/** Who hears of commits and of the failure of one. Outlives the files: a healed store keeps its listeners. */
export class CommitListeners {
  readonly #log: Logger
  readonly #append = new Set<(head: number) => void>()
  readonly #poison = new Set<(cause: Error) => void>()

  constructor(ports: { readonly log: Logger }) {
    this.#log = ports.log
  }

  onAppend(listener: (head: number) => void): () => void {
    this.#append.add(listener)
    return () => this.#append.delete(listener)
  }

  onPoisoned(listener: (cause: Error) => void): () => void {
    this.#poison.add(listener)
    return () => this.#poison.delete(listener)
  }

  appended(head: number): void {
    this.#call(this.#append, head)
  }

  poisoned(cause: Error): void {
    this.#call(this.#poison, cause)
  }

  #call<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of Array.from(listeners)) {
      try {
        listener(value)
      } catch {
        this.#log.error('a listener of the store failed')
      }
    }
  }
}
