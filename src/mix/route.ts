import { equalBytes, type NodeId, type Rng, uniformInt } from '../base/index.ts'
import { ROUTE_DRAWS_MAX } from './constants.ts'

/** A mix and where it stands in the network. */
export interface MixPlace {
  readonly nodeId: NodeId
  /** The /16 of each of its addresses: who could name a net of its choice first would stand wherever it likes. */
  readonly nets: readonly string[]
}

/** The mixes of an epoch, one list per layer, none of them empty. */
export type Layers<Place extends MixPlace = MixPlace> = readonly (readonly Place[])[]

export interface RouteOptions {
  readonly self: MixPlace
  /** A request ends at its courier, a reply at this node. */
  readonly direction: 'request' | 'reply'
  /** Mixes of the other copies of a box: not taken again while a layer has others. */
  readonly avoid?: readonly MixPlace[]
  /** False for a mix to which this node has no link. */
  readonly isLinked?: (mix: MixPlace) => boolean
}

/**
 * One mix per layer, each drawn uniformly. Routes whose hops share a /16 are drawn again, up to `ROUTE_DRAWS_MAX`
 * times, when the mixes stand in enough networks for it.
 *
 * Every sender draws from the same distribution; left out everywhere, the courier that never appears would name the
 * sender. Only the hop that is this node's neighbour (the first of a request, the last of a reply) is then drawn again
 * when it is this node itself, has no link to it or stands in its /16: it is seen on the wire anyway. The other hops
 * never depend on it, or a courier would be the likelier the nearer its sender.
 */
export function drawRoute<Place extends MixPlace>(
  rng: Rng,
  layers: Layers<Place>,
  { self, direction, avoid = [], isLinked = () => true }: RouteOptions,
): Place[] {
  const isUsed = (mix: Place) => avoid.some((other) => isSame(mix, other))
  const isGood = canBeDiverse(layers) ? isDiverse : () => true
  const choices = layers.map((layer) => without(layer, isUsed))
  const route = drawUntil(isGood, () => choices.map((choice) => drawOne(rng, choice)))

  const edge = direction === 'request' ? 0 : layers.length - 1
  const rules = [
    (mix: Place) => isSame(mix, self),
    (mix: Place) => !isLinked(mix),
    isUsed,
    (mix: Place) => sharesNet(mix, self),
  ]
  const neighbours = rules.reduce<readonly Place[]>(without, layers[edge] ?? [])
  if (neighbours.includes(route[edge] as Place)) return route
  return drawUntil(isGood, () => route.with(edge, drawOne(rng, neighbours)))
}

/** The last draw counts, good or not. */
function drawUntil<Route>(isGood: (route: Route) => boolean, draw: () => Route): Route {
  for (let left = ROUTE_DRAWS_MAX; ; left--) {
    const route = draw()
    if (left <= 1 || isGood(route)) return route
  }
}

function drawOne<Place>(rng: Rng, choice: readonly Place[]): Place {
  return choice[uniformInt(rng, choice.length)] as Place
}

/** The members that do not match, or all when none would be left. */
function without<Place>(
  layer: readonly Place[],
  matches: (mix: Place) => boolean,
): readonly Place[] {
  const left = layer.filter((mix) => !matches(mix))
  return left.length > 0 ? left : layer
}

function isSame(a: MixPlace, b: MixPlace): boolean {
  return equalBytes(a.nodeId, b.nodeId)
}

function sharesNet(a: MixPlace, b: MixPlace): boolean {
  return a.nets.some((net) => b.nets.includes(net))
}

/** With fewer networks than twice the hops the rule would choose the route, and tell it. */
function canBeDiverse(layers: Layers): boolean {
  const nets = new Set(layers.flatMap((layer) => layer.map(({ nets: [first] }) => first)))
  return nets.size >= 2 * layers.length
}

function isDiverse(route: readonly MixPlace[]): boolean {
  return route.every((mix, i) => route.slice(i + 1).every((other) => !sharesNet(mix, other)))
}
