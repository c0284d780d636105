import type { Handler } from '../server/method.ts'

export const peersList: Handler<'peers.list'> = ({ node }, params) => node.peers.list(params)
