import { z } from 'zod'
import { query } from './define.ts'
import { EPOCH, SHA256 } from './examples.ts'
import { count, seq } from './shapes.ts'

const ABSOLUTE = /^\/[^\0]*[^/\0]$/

export const dbMethods = [
  query({
    name: 'db.stats',
    summary: 'Size of the store and the ends of its journal.',
    params: {},
    result: z.object({
      bytes: count,
      freeBytes: count.describe('of the disk'),
      reserve: z.boolean().describe('the space for opening on a full disk is there'),
      boxes: count,
      messages: count,
      secrets: count,
      damagedSecrets: count.describe('cannot be read any more'),
      headSeq: seq,
      oldestSeq: seq,
      epoch: z.string(),
    }),
    scope: 'read',
    example: {
      params: {},
      result: {
        bytes: 1_048_576,
        freeBytes: 64_000_000_000,
        reserve: true,
        boxes: 120,
        messages: 12,
        secrets: 31,
        damagedSecrets: 0,
        headSeq: 42,
        oldestSeq: 1,
        epoch: EPOCH,
      },
    },
  }),
  query({
    name: 'db.check',
    summary: 'Reads the whole store and names what is damaged. Takes time in proportion to it.',
    params: {},
    result: z.object({
      ok: z.boolean(),
      values: count.describe('that were opened'),
      damaged: z.array(z.object({ bucket: z.string(), count })),
      journalBrokenAt: seq.nullable().describe('first event that is not whole'),
      damagedTables: z.array(count).describe('files; values are not looked at then'),
    }),
    scope: 'read',
    example: {
      params: {},
      result: { ok: true, values: 1_043, damaged: [], journalBrokenAt: null, damagedTables: [] },
    },
  }),
  query({
    name: 'db.backup',
    summary:
      'Writes one consistent snapshot, secrets included, to a new file on the machine of the daemon. It opens with the vault key only. STORAGE_FULL with `field: "path"` is about the disk of that file.',
    params: {
      path: z
        .string()
        .min(2)
        .max(4_096)
        .regex(ABSOLUTE)
        .describe('absolute; an existing file is refused'),
      withKey: z
        .boolean()
        .exactOptional()
        .describe('puts the vault key inside: the file then is as secret as the home'),
    },
    result: z.object({
      path: z.string(),
      withKey: z.boolean(),
      bytes: count,
      entries: count,
      secrets: count,
      damaged: count.describe('entries that do not open'),
      seq: seq.describe('the last event that it holds'),
      sha256: z.string().describe('of the file: compare it with sha256sum <path>'),
      epoch: z.string(),
    }),
    errors: ['STORAGE_FULL', 'STORAGE_READONLY'],
    scope: 'admin',
    example: {
      params: { path: '/mnt/stick/hearsay.backup' },
      result: {
        path: '/mnt/stick/hearsay.backup',
        withKey: false,
        bytes: 524_288,
        entries: 1_043,
        secrets: 31,
        damaged: 0,
        seq: 42,
        sha256: SHA256,
        epoch: EPOCH,
      },
    },
  }),
] as const
