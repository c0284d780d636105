import { z } from 'zod'
import { query } from './define.ts'
import { AT, KEY, PEER } from './examples.ts'
import { time } from './shapes.ts'

export const identityMethods = [
  query({
    name: 'identity.get',
    summary:
      'The node on the network. Contacts never see it: each of them sees a fresh account key.',
    params: {},
    result: z.object({ peerId: z.string(), nodeKey: z.string(), createdAt: time }),
    scope: 'read',
    example: { params: {}, result: { peerId: PEER, nodeKey: KEY, createdAt: AT } },
  }),
] as const
