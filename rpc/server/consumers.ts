import { RpcError } from '../rpc-error.ts'
import type { RpcErrorName } from '../errors.ts'

/** What the server tells the subscription that holds a consumer. */
export interface ConsumerHolder {
  acked(cursor: number): void
  close(name: RpcErrorName): void
}

/** Which durable consumer has a subscription, over all connections: one at most. */
export class Consumers {
  readonly #holders = new Map<string, ConsumerHolder>()

  /** @throws RpcError CONSUMER_BUSY. */
  claim(name: string, holder: ConsumerHolder): void {
    if (this.#holders.has(name)) throw new RpcError('CONSUMER_BUSY')
    this.#holders.set(name, holder)
  }

  /** A no-op unless `holder` has the consumer. */
  release(name: string, holder: ConsumerHolder): void {
    if (this.#holders.get(name) === holder) this.#holders.delete(name)
  }

  acked(name: string, cursor: number): void {
    this.#holders.get(name)?.acked(cursor)
  }

  deleted(name: string): void {
    this.#holders.get(name)?.close('CONSUMER_NOT_FOUND')
  }
}
