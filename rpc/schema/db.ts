import { z } from 'zod'
import { query } from './define.ts'
import { EPOCH } from './examples.ts'
import { count, seq } from './shapes.ts'

export const dbMethods = [
  query({
    name: 'db.stats',
    summary: 'Size of the store and the ends of its journal.',
    params: {},
    result: z.object({
      bytes: count,
      boxes: count,
      messages: count,
      headSeq: seq,
      oldestSeq: seq,
      epoch: z.string(),
    }),
    scope: 'read',
    example: {
      params: {},
      result: {
        bytes: 1_048_576,
        boxes: 120,
        messages: 12,
        headSeq: 42,
        oldestSeq: 1,
        epoch: EPOCH,
      },
    },
  }),
] as const
