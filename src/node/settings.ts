import { fromUtf8, utf8 } from '../base/index.ts'
import { BUCKETS, type Store } from '../store/index.ts'
import type { NodeApi } from './api.ts'

/** Small durable values of `rpc` and `daemon`. */
export function settingsOf(store: Store): NodeApi['settings'] {
  return {
    get: (key) => store.get(BUCKETS.settings, utf8(key)),
    put: async (key, value) => {
      await store.batch().put(BUCKETS.settings, utf8(key), value).commit()
    },
    list: async (prefix) => {
      const found: [string, Uint8Array][] = []
      for await (const [key, value] of store.iterate(BUCKETS.settings)) {
        const name = fromUtf8(key)
        if (name.startsWith(prefix)) found.push([name, value])
      }
      return found
    },
    delete: async (key) => {
      await store.batch().del(BUCKETS.settings, utf8(key)).commit()
    },
  }
}
