import { z } from 'zod'
import { query } from './define.ts'
import { STATUS } from './examples.ts'
import { timeoutMs, waitTarget } from './shapes.ts'
import { nodeStatus } from './views.ts'

export const nodeMethods = [
  query({
    name: 'node.status',
    summary:
      'State, links, what the mixing is worth, outbox, storage, and a fix for all that is wrong.',
    params: {},
    result: nodeStatus,
    scope: 'read',
    example: { params: {}, result: STATUS },
  }),
  query({
    name: 'node.wait',
    summary:
      'Resolves when the node is `ready`, `linked`, `caught-up` after an absence, or has `peers=N`.',
    params: { for: waitTarget, timeoutMs },
    result: nodeStatus,
    errors: ['TIMEOUT', 'CLOCK_SKEW', 'SHUTTING_DOWN'],
    scope: 'read',
    example: { params: { for: 'peers=3', timeoutMs: 10_000 }, result: STATUS },
  }),
  query({
    name: 'node.stop',
    summary: 'Stops the daemon after it has answered; waits up to `drainMs` for the outbox.',
    params: { drainMs: z.int().min(0).max(600_000).exactOptional() },
    result: z.object({}),
    scope: 'admin',
    example: { params: {}, result: {} },
  }),
  query({
    name: 'node.doctor',
    summary: 'Runs checks of disk and network; each failure says its fix.',
    params: {
      checks: z
        .array(
          z
            .string()
            .min(1)
            .max(64)
            .regex(/^[a-z][a-z0-9-]*$/),
        )
        .min(1)
        .max(32)
        .exactOptional(),
    },
    result: z.object({
      checks: z.array(
        z.object({
          name: z.string(),
          ok: z.boolean(),
          detail: z.string(),
          fix: z.string().exactOptional(),
        }),
      ),
    }),
    scope: 'read',
    example: {
      params: { checks: ['storage'] },
      result: { checks: [{ name: 'storage', ok: true, detail: 'writes are synced' }] },
    },
  }),
] as const
