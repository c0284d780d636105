import { z } from 'zod'
import { mutation, query } from './define.ts'
import { jsonObject } from './shapes.ts'

const key = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[a-z][a-zA-Z0-9_-]*(\.[a-z][a-zA-Z0-9_-]*)*$/)

// What TOML can hold: no null.
const scalar = z.union([z.string().max(4_096), z.number(), z.boolean()])
const settingValue = z.union([scalar, z.array(scalar).max(256), jsonObject])

export const configMethods = [
  query({
    name: 'config.get',
    summary: 'Settings by dotted key; all of them without one.',
    params: { key: key.exactOptional() },
    result: z.object({ values: jsonObject }),
    errors: ['NOT_FOUND'],
    scope: 'admin',
    example: { params: { key: 'log.level' }, result: { values: { 'log.level': 'info' } } },
  }),
  mutation({
    name: 'config.set',
    summary: 'Changes a setting; says whether it holds now or after a restart.',
    params: {
      key,
      value: settingValue.describe('a value that the key takes'),
      persist: z.boolean().default(true).describe('also write it to config.toml'),
    },
    result: { applied: z.enum(['live', 'restart-needed']) },
    errors: ['NOT_FOUND', 'INVALID_PARAMS'],
    scope: 'admin',
    example: {
      params: { key: 'log.level', value: 'debug', persist: false },
      result: { applied: 'live' },
    },
  }),
  query({
    name: 'config.reload',
    summary:
      'Reads config.toml again: hooks and live keys hold at once. A bad file changes nothing.',
    params: {},
    result: z.object({
      restartNeeded: z.array(z.string()).describe('keys whose new value holds after a restart'),
    }),
    errors: ['INVALID_PARAMS'],
    scope: 'admin',
    example: { params: {}, result: { restartNeeded: ['listen'] } },
  }),
] as const
