import { MAX_CONNECTIONS_PER_PEER } from './constants.ts'

export interface InboundGatePorts {
  /** Open connections: the text of the peer's id for each. */
  connections(): readonly string[]
  /** A node of the directory, or a bootstrap. */
  isKnown(peerId: string): boolean
}

/**
 * Who may come in: of one peer a few connections, of peers that the directory does not know half of all places. The
 * network key is shared by all members, and keys of nodes cost nothing: without this one stranger could hold every
 * place, and no honest node could reach us.
 */
export class InboundGate {
  readonly #ports: InboundGatePorts
  readonly #maxStrangers: number

  constructor(ports: InboundGatePorts, options: { maxConnections: number }) {
    this.#ports = ports
    this.#maxStrangers = Math.max(1, Math.floor(options.maxConnections / 2))
  }

  refuses(peerId: string): boolean {
    const open = this.#ports.connections()
    if (open.filter((each) => each === peerId).length >= MAX_CONNECTIONS_PER_PEER) return true
    if (this.#ports.isKnown(peerId)) return false
    return open.filter((each) => !this.#ports.isKnown(each)).length >= this.#maxStrangers
  }
}
