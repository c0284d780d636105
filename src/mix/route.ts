import { equalBytes, type NodeId, type Rng, uniformInt } from '../base/index.ts'
import { ROUTE_DRAWS_MAX } from './constants.ts'

/** A mix and where it stands in the network. */
export interface MixPlace {
  readonly nodeId: NodeId
  /** /16 of its address. */
  readonly net: string
  /** Its address. */
  readonly host: string
}

/** The mixes of an epoch, one list per layer, none of them empty. */
export type Layers<Place extends MixPlace = MixPlace> = readonly (readonly Place[])[]

export interface RouteOptions {
  readonly self: MixPlace
  /** A request ends at its courier, a reply at this node. */
  readonly direction: 'request' | 'reply'
  /** Mixes of the other copies of a box: not taken again while a layer has others. */
  readonly avoid?: readonly MixPlace[]
}

/**
 * One mix per layer, each drawn uniformly. Routes whose hops share a /16 are drawn again, up to `ROUTE_DRAWS_MAX`
 * times, when the mixes stand in enough networks for it.
 *
 * Every sender draws from the same distribution: own node and own /16 are left out only where a packet would
 * otherwise not cross a link, in the first layer of a request and in the last of a reply. Left out everywhere, the
 * courier that never appears would name the sender.
 */
export function drawRoute<Place extends MixPlace>(
  rng: Rng,
  layers: Layers<Place>,
  { self, direction, avoid = [] }: RouteOptions,
): Place[] {
  const edge = direction === 'request' ? 0 : layers.length - 1
  const choices = layers.map((layer, index) => {
    const fresh = without(layer, (mix) => avoid.some((other) => isSame(mix, other)))
    if (index !== edge) return fresh
    const others = without(fresh, (mix) => isSame(mix, self))
    return without(others, (mix) => mix.net === self.net)
  })
  const diverse = canBeDiverse(layers)
  for (let left = ROUTE_DRAWS_MAX; ; left--) {
    const route = choices.map((choice) => choice[uniformInt(rng, choice.length)] as Place)
    if (!diverse || left <= 1 || isDiverse(route)) return route
  }
}

/** The members that do not match, or all when none would be left. */
function without<Place>(layer: readonly Place[], matches: (mix: Place) => boolean) {
  const left = layer.filter((mix) => !matches(mix))
  return left.length > 0 ? left : layer
}

function isSame(a: MixPlace, b: MixPlace): boolean {
  return equalBytes(a.nodeId, b.nodeId)
}

/** With fewer networks than twice the hops the rule would choose the route, and tell it. */
function canBeDiverse(layers: Layers): boolean {
  const nets = new Set(layers.flatMap((layer) => layer.map(({ net }) => net)))
  return nets.size >= 2 * layers.length
}

function isDiverse(route: readonly MixPlace[]): boolean {
  return new Set(route.map(({ net }) => net)).size === route.length
}
