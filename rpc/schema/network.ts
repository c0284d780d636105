import { z } from 'zod'
import { mutation, query } from './define.ts'
import { FILE, INVITE, JOIN_URI, LATER, NETWORK, NETWORK_VIEW, WORDS } from './examples.ts'
import { duration, fileText, id, jsonObject, label, multiaddr, time, uri, words } from './shapes.ts'
import { linkState, networkShared, networkView } from './views.ts'

const source = { file: fileText.exactOptional(), uri: uri.exactOptional() }

export const networkMethods = [
  mutation({
    name: 'network.create',
    summary:
      'Makes a network whose operator is this home. Others need its file or URI and, with admission `operator`, an invitation.',
    params: {
      name: label.max(40).describe('lower-case letters, digits and hyphens'),
      preset: z.enum(['swift', 'lab', 'balanced', 'strong']).exactOptional(),
      parameters: jsonObject.exactOptional().describe('overrides of the preset'),
      admission: z.enum(['open', 'operator']).exactOptional(),
      announce: z
        .array(multiaddr)
        .min(1)
        .max(16)
        .exactOptional()
        .describe('addresses under which this node is the first bootstrap'),
      join: z.boolean().exactOptional().describe('false: do not join it; it is joined by default'),
    },
    result: { networkId: z.string(), words: z.string(), file: z.string(), uri: z.string() },
    errors: ['ALREADY_JOINED', 'ADDRESS_IN_USE', 'LISTEN_FAILED'],
    scope: 'network',
    example: {
      params: { name: 'lab', preset: 'lab', join: true },
      result: { networkId: NETWORK, words: WORDS, file: FILE, uri: JOIN_URI },
    },
  }),
  query({
    name: 'network.inspect',
    summary:
      'What a network file or URI says, after its signature was checked. Exactly one of both.',
    params: source,
    result: networkView,
    errors: ['NETWORK_FILE_INVALID'],
    scope: 'read',
    example: { params: { uri: JOIN_URI }, result: { ...NETWORK_VIEW, operator: false } },
  }),
  mutation({
    name: 'network.join',
    summary:
      'Joins by file or URI, exactly one of both; `expectWords` guards against another network.',
    params: { ...source, expectWords: words.exactOptional() },
    result: { networkId: z.string(), state: linkState },
    errors: [
      'NETWORK_FILE_INVALID',
      'NETWORK_MISMATCH',
      'ALREADY_JOINED',
      'NOT_ADMITTED',
      'INVITE_EXPIRED',
      'CLOCK_SKEW',
      'ADDRESS_IN_USE',
      'LISTEN_FAILED',
    ],
    scope: 'network',
    example: {
      params: { uri: JOIN_URI, expectWords: WORDS },
      result: { networkId: NETWORK, state: 'joining' },
    },
  }),
  query({
    name: 'network.get',
    summary:
      'The joined network with its file and URI, which hold the network key: share with care.',
    params: {},
    result: networkShared,
    errors: ['NOT_JOINED'],
    scope: 'network',
    example: { params: {}, result: { ...NETWORK_VIEW, file: FILE, uri: JOIN_URI } },
  }),
  mutation({
    name: 'network.leave',
    summary:
      'Leaves the network; `wipe` also deletes its contacts, messages, events, mix keys and operator key, even if it was left before. The key of the node stays: another network that is joined from this home sees the same id.',
    params: { wipe: z.boolean().exactOptional() },
    result: { networkId: z.string() },
    errors: ['NOT_JOINED'],
    scope: 'network',
    example: { params: { wipe: false }, result: { networkId: NETWORK } },
  }),
  mutation({
    name: 'network.invite',
    summary: 'Admits `uses` more nodes; the URI carries the admission. Operators only.',
    params: {
      uses: z.int().min(1).max(1_024).exactOptional(),
      ttl: duration.exactOptional(),
    },
    result: { inviteId: id, uri: z.string(), file: z.string(), expiresAt: time },
    errors: ['NOT_JOINED', 'NOT_OPERATOR'],
    scope: 'network',
    example: {
      params: { uses: 5, ttl: '48h' },
      result: { inviteId: INVITE, uri: JOIN_URI, file: FILE, expiresAt: LATER },
    },
  }),
] as const
