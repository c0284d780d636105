import { type Batch, openStore, type Store, type StorePorts } from '../../src/store/index.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Opens a store on the real disk, under a clock that stands still while it opens, reads or commits. */
export async function openHeldStore(
  ports: StorePorts,
  clock: VirtualClock,
  dir: string,
): Promise<Store> {
  return heldStore(await clock.hold(openStore(ports, { dir, reserveBytes: 0 })), clock)
}

function heldStore(store: Store, clock: VirtualClock): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'batch') return () => heldBatch(target.batch(), clock)
      const value: unknown = Reflect.get(target, name, target)
      // A reader of the feed waits for what only time brings.
      if (typeof value !== 'function' || name === 'feed') return value
      return (...args: unknown[]) => held(value.apply(target, args), clock)
    },
  })
}

function heldBatch(batch: Batch, clock: VirtualClock): Batch {
  const commit = batch.commit.bind(batch)
  batch.commit = () => clock.hold(commit())
  return batch
}

function held(result: unknown, clock: VirtualClock): unknown {
  if (result instanceof Promise) return clock.hold(result)
  if (isIterable(result)) return heldSteps(result, clock)
  return result
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

async function* heldSteps(steps: AsyncIterable<unknown>, clock: VirtualClock) {
  const iterator = steps[Symbol.asyncIterator]()
  try {
    for (;;) {
      const step = await clock.hold(iterator.next())
      if (step.done === true) return
      yield step.value
    }
  } finally {
    await iterator.return?.()
  }
}
