import { z } from 'zod'
import { mutation } from './define.ts'
import { LATER } from './examples.ts'
import { count, time } from './shapes.ts'

const hook = z
  .string()
  .min(1)
  .max(32)
  .regex(/^[a-z0-9][a-z0-9-]*$/)
  .describe('name of a hook in config.toml')

export const hooksMethods = [
  mutation({
    name: 'hooks.ack',
    summary:
      'You have seen what a hook has missed: the status counts anew. Answers what it had counted.',
    params: { hook },
    result: { hook, missed: count, missedAt: time.nullable() },
    errors: ['NOT_FOUND'],
    scope: 'admin',
    example: {
      params: { hook: 'notify' },
      result: { hook: 'notify', missed: 3, missedAt: LATER },
    },
  }),
] as const
