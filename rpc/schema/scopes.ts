/**
 * What a caller may do. `admin` includes all others; `null` in the registry means any authenticated caller.
 * read: state of the node, no content. send: put messages out and watch them. receive: messages and events.
 */
export const SCOPES = [
  'read',
  'send',
  'receive',
  'contacts',
  'network',
  'identity',
  'admin',
] as const

export type Scope = (typeof SCOPES)[number]
