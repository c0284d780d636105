import { z } from 'zod'
import { query } from './define.ts'
import { jsonObject, time } from './shapes.ts'

export const rpcMethods = [
  query({
    name: 'rpc.discover',
    summary: 'The OpenRPC document of this API.',
    params: {},
    result: jsonObject,
    scope: null,
    example: { params: {}, result: { openrpc: '1.3.2' } },
  }),
  query({
    name: 'rpc.version',
    summary: 'Versions of the API, the daemon and the runtime.',
    params: {},
    result: z.object({
      api: z.string().describe('major.minor; a minor only adds'),
      minApi: z.string(),
      daemon: z.string(),
      node: z.string().describe('version of Node.js'),
    }),
    scope: null,
    example: {
      params: {},
      result: { api: '1.0', minApi: '1.0', daemon: '0.1.0', node: '24.21.0' },
    },
  }),
  query({
    name: 'rpc.ping',
    summary: 'Answers at once, with the nonce.',
    params: { nonce: z.string().max(128).exactOptional() },
    result: z.object({ nonce: z.string().exactOptional(), time }),
    scope: null,
    example: { params: { nonce: 'n1' }, result: { nonce: 'n1', time: '2026-11-22T12:00:00.000Z' } },
  }),
] as const
