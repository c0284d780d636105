import { compareBytes, type NetworkId, type NodeId, toHex, u32be } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import { MIN_MIXES_PER_LAYER, PACKETS_PER_MIX } from './constants.ts'
import type { NetworkParameters } from './parameters.ts'

/** A node that may mix: reachable, and in the set that the epoch counts on. */
export interface MixCandidate {
  readonly nodeId: NodeId
}

type ElectionParameters = Pick<NetworkParameters, 'layers' | 'mixDelayMs' | 'slotMs'>

export interface ElectionOptions extends ElectionParameters {
  readonly networkId: NetworkId
}

/** What a candidate drew for an epoch, from its id alone. */
export interface Ticket<Candidate extends MixCandidate> {
  readonly node: Candidate
  readonly elected: boolean
  readonly layer: number
  /** Order in which nodes fill up layer `index`, 0 to 9. */
  rank(index: number): number
}

/**
 * Share of `nodes` nodes that mix: so many that a mix holds `PACKETS_PER_MIX` packets on average, requests and
 * replies together, at least two per layer, at most all. `nodes` is rounded down to a power of two, so that a node
 * that comes or goes does not change everybody's threshold; the clamp then errs towards more mixes.
 */
export function mixShare(nodes: number, parameters: ElectionParameters): number {
  const { layers, mixDelayMs, slotMs } = parameters
  const rounded = 2 ** Math.floor(Math.log2(Math.max(1, nodes)))
  const pooled = (2 * rounded * layers * mixDelayMs) / (PACKETS_PER_MIX * slotMs)
  return Math.min(1, Math.max(pooled, MIN_MIXES_PER_LAYER * layers) / rounded)
}

/** What each candidate draws for the epoch. Costs one hash each; the result holds as long as the set does. */
export function drawTickets<Candidate extends MixCandidate>(
  candidates: readonly Candidate[],
  epoch: number,
  options: ElectionOptions,
): Ticket<Candidate>[] {
  const threshold = mixShare(candidates.length, options) * 2 ** 48
  return candidates.map((node) => {
    const bytes = hash(LABELS.election, options.networkId, node.nodeId, u32be(epoch))
    const draws = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    return {
      node,
      elected: draws.readUIntBE(0, 6) < threshold,
      layer: draws.readUIntBE(6, 6) % options.layers,
      rank: (index) => draws.readUIntBE(12 + index, 6),
    }
  })
}

/**
 * The mixes of an epoch, one list per layer, in the order of their ids. Each node's election and layer follow from
 * its own ticket, so a descriptor that one view lacks moves nobody else, except that a layer with fewer than two
 * mixes is filled up: with nodes that were not elected, then with nodes of layers that can spare one, then with
 * nodes that serve another layer too (only where there are fewer than two nodes a layer). No list is empty unless
 * there is no ticket at all.
 */
export function seatMixes<Candidate extends MixCandidate>(
  tickets: readonly Ticket<Candidate>[],
  layers: number,
): Candidate[][] {
  const seated = Array.from({ length: layers }, (_, layer) =>
    tickets.filter((ticket) => ticket.elected && ticket.layer === layer).map(({ node }) => node),
  )
  const spare = new Set(tickets.filter(({ elected }) => !elected))
  for (const [index, layer] of seated.entries()) {
    if (layer.length >= MIN_MIXES_PER_LAYER) continue
    const order = tickets.toSorted((a, b) => a.rank(index) - b.rank(index) || byId(a.node, b.node))
    while (layer.length < Math.min(MIN_MIXES_PER_LAYER, tickets.length)) {
      const idle = order.find((ticket) => spare.delete(ticket))
      layer.push(idle?.node ?? spared(seated, order) ?? another(layer, order))
    }
  }
  return seated.map((layer) => layer.toSorted(byId))
}

/** `seatMixes` of `drawTickets`. */
export function electMixes<Candidate extends MixCandidate>(
  candidates: readonly Candidate[],
  epoch: number,
  options: ElectionOptions,
): Candidate[][] {
  return seatMixes(drawTickets(candidates, epoch, options), options.layers)
}

function byId(a: MixCandidate, b: MixCandidate): number {
  return compareBytes(a.nodeId, b.nodeId)
}

/** Takes a node out of a layer that has more than it needs; undefined when none has. */
function spared<Candidate extends MixCandidate>(
  seated: readonly Candidate[][],
  order: readonly Ticket<Candidate>[],
): Candidate | undefined {
  for (const { node } of order) {
    const donor = seated.find((layer) => layer.length > MIN_MIXES_PER_LAYER && layer.includes(node))
    if (donor === undefined) continue
    donor.splice(donor.indexOf(node), 1)
    return node
  }
  return undefined
}

/** A node that serves another layer already: there are fewer than two nodes a layer. */
function another<Candidate extends MixCandidate>(
  layer: readonly Candidate[],
  order: readonly Ticket<Candidate>[],
): Candidate {
  const taken = new Set(layer.map(({ nodeId }) => toHex(nodeId)))
  const free = order.filter(({ node }) => !taken.has(toHex(node.nodeId)))
  return (free[0] as Ticket<Candidate>).node
}
