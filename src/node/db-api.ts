import type { Store } from '../store/index.ts'
import type { NodeApi } from './api.ts'
import type { Session } from './session.ts'

export interface DbPorts {
  readonly store: Store
  readonly session: () => Session | undefined
}

/** db.*: the store as its owner sees it. Works in a read-only node too. */
export function dbApi({ store, session }: DbPorts): NodeApi['db'] {
  return {
    async stats() {
      const stats = await store.stats()
      return {
        bytes: stats.bytes,
        freeBytes: stats.freeBytes,
        reserve: stats.reserve,
        boxes: session()?.mailbox.status().boxes ?? 0,
        messages: session()?.conversations.depth().messages ?? 0,
        secrets: stats.secrets,
        damagedSecrets: stats.damagedSecrets,
        headSeq: stats.headSeq,
        oldestSeq: stats.oldestSeq,
        epoch: store.epoch,
      }
    },

    async check() {
      const { values, damaged, journalBrokenAt, damagedTables } = await store.check()
      const buckets = Object.entries(damaged).map(([bucket, count]) => ({ bucket, count }))
      return {
        ok: buckets.length + damagedTables.length === 0 && journalBrokenAt === undefined,
        values,
        damaged: buckets,
        journalBrokenAt: journalBrokenAt ?? null,
        damagedTables,
      }
    },

    async backup({ path, withKey }) {
      const result = await store.backup({ path, withKey: withKey ?? false })
      return { path, withKey: withKey ?? false, ...result }
    },
  }
}
