import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { drawRoute, type Layers, type MixPlace } from '../../../src/mix/index.ts'
import {
  chiSquared,
  chiSquaredLimit,
  layersOf,
  nodeAt,
  placeAt,
  streamRng,
  tally,
} from './fixtures.ts'

const outside = placeAt('outside')

function draw(
  seed: string,
  count: number,
  layers: Layers,
  options: Omit<Parameters<typeof drawRoute>[2], 'direction'> & {
    direction?: 'request' | 'reply'
  },
): MixPlace[][] {
  const rng = streamRng(seed)
  return Array.from({ length: count }, () =>
    drawRoute(rng, layers, { direction: 'request', ...options }),
  )
}

/** How often each mix of a layer is on the routes. */
function uses(routes: readonly MixPlace[][], layers: Layers, layer: number): number[] {
  return tally(
    routes.map((route) => route[layer] as MixPlace),
    layers[layer] ?? [],
  )
}

/** χ² of two samples of one size being of one distribution. */
function difference(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, count, i) => {
    const other = b[i] ?? 0
    return count + other === 0 ? sum : sum + (count - other) ** 2 / (count + other)
  }, 0)
}

describe('a route', () => {
  it('takes one mix of every layer, each as likely as the others', () => {
    const layers = layersOf([3, 5, 2, 4])
    for (const direction of ['request', 'reply'] as const) {
      const routes = draw(direction, 8_000, layers, { self: outside, direction })
      for (const [index, layer] of layers.entries()) {
        const counts = uses(routes, layers, index)
        expect(counts.reduce((sum, count) => sum + count)).toBe(8_000)
        expect(chiSquared(counts)).toBeLessThan(chiSquaredLimit(layer.length - 1))
      }
    }
  })

  it('draws each hop without regard to the others', () => {
    const layers = layersOf([4, 4, 4])
    const routes = draw('pairs', 16_000, layers, { self: outside })
    const pairs = tally(
      routes.map(
        ([a, , c]) => `${layers[0]?.indexOf(a as never)} ${layers[2]?.indexOf(c as never)}`,
      ),
      [0, 1, 2, 3].flatMap((a) => [0, 1, 2, 3].map((c) => `${a} ${c}`)),
    )
    expect(chiSquared(pairs)).toBeLessThan(chiSquaredLimit(15))
  })

  it.each([
    ['request', 0],
    ['reply', 2],
  ] as const)('of a %s leaves its own node out in layer %i alone', (direction, edge) => {
    const layers = layersOf([3, 3, 3])
    for (const own of [0, 1, 2]) {
      const self = layers[own]?.[1] as MixPlace
      const routes = draw(`${direction} ${own}`, 6_000, layers, { self, direction })
      const counts = uses(routes, layers, own)
      const due = own === edge ? [3_000, 0, 3_000] : [2_000, 2_000, 2_000]
      for (const [i, count] of counts.entries()) {
        // Four standard deviations, none where none is due.
        expect(Math.abs(count - (due[i] ?? 0))).toBeLessThanOrEqual(4 * Math.sqrt(due[i] ?? 0))
      }
    }
  })

  it('leaves its own /16 out where it would be the neighbour, if the layer has others', () => {
    const self = placeAt('me', 'net 0.1')
    const layers = layersOf([3, 3, 3])
    const routes = draw('own net', 3_000, layers, { self })
    expect(uses(routes, layers, 0)[1]).toBe(0)
    expect(uses(routes, layers, 2).every((count) => count > 800)).toBe(true)
    const alone: Layers = [[placeAt('a', 'net 0.1'), placeAt('b', 'net 0.1')], ...layers.slice(1)]
    expect(uses(draw('no other', 200, alone, { self }), alone, 0).every((count) => count > 0)).toBe(
      true,
    )
  })

  it('leads over its own node rather than nowhere', () => {
    const layers = layersOf([1, 2])
    const self = layers[0]?.[0] as MixPlace
    for (const route of draw('alone', 20, layers, { self })) expect(route[0]).toBe(self)
  })

  it('leaves out neighbours without a link, and nobody else', () => {
    const layers = layersOf([4, 4, 4])
    const isLinked = (mix: MixPlace) => layers.every((layer) => layer.indexOf(mix) !== 2)
    const routes = draw('links', 9_000, layers, { self: outside, isLinked })
    expect(uses(routes, layers, 0)[2]).toBe(0)
    for (const layer of [1, 2]) {
      expect(chiSquared(uses(routes, layers, layer))).toBeLessThan(chiSquaredLimit(3))
    }
    const back = draw('back', 9_000, layers, { self: outside, isLinked, direction: 'reply' })
    expect(uses(back, layers, 2)[2]).toBe(0)
    expect(chiSquared(uses(back, layers, 0))).toBeLessThan(chiSquaredLimit(3))
  })

  it('goes on without any link: who does not send is seen', () => {
    const layers = layersOf([3, 3])
    const routes = draw('none', 600, layers, { self: outside, isLinked: () => false })
    expect(uses(routes, layers, 0).every((count) => count > 100)).toBe(true)
  })

  it('avoids the mixes of other copies while a layer has others', () => {
    const layers = layersOf([2, 3, 2])
    const [first] = draw('first copy', 1, layers, { self: outside })
    const avoid = first as MixPlace[]
    for (const route of draw('second copy', 300, layers, { self: outside, avoid })) {
      for (const mix of route) expect(avoid).not.toContain(mix)
    }
    // Both mixes of layer 0 are used up: one of them comes again, each as likely.
    const third = [...avoid, ...(layers[0] ?? [])]
    const counts = uses(draw('third', 2_000, layers, { self: outside, avoid: third }), layers, 0)
    expect(chiSquared(counts)).toBeLessThan(chiSquaredLimit(1))
  })

  it('takes a used mix with a link rather than a fresh one without', () => {
    const layers = layersOf([3, 3])
    const [used, linked] = [layers[0]?.[0] as MixPlace, layers[0]?.[0] as MixPlace]
    const isLinked = (mix: MixPlace) => mix === linked
    for (const route of draw('used', 100, layers, { self: outside, avoid: [used], isLinked })) {
      expect(route[0]).toBe(linked)
    }
  })
})

describe('the networks of a route', () => {
  /** Four mixes a layer, three layers, all in `nets` networks; the same mix of each layer shares one. */
  const shared = (nets: number): Layers =>
    layersOf([4, 4, 4]).map((layer, l) =>
      layer.map((mix, i) => ({ ...mix, nets: [`n${(l * 4 + i) % nets}`] })),
    )

  it('are different as far as there are twice as many as hops', () => {
    const routes = draw('diverse', 2_000, shared(6), { self: outside })
    const same = routes.filter((route) => new Set(route.flatMap((mix) => mix.nets)).size < 3)
    expect(same).toEqual([])
  })

  it('are those of all its addresses, whichever a mix names first', () => {
    const layers = shared(12).map((layer, l) =>
      layer.map((mix, i) => (i === 0 ? { ...mix, nets: [`invented ${l}`, 'real'] } : mix)),
    )
    const routes = draw('aliases', 2_000, layers, { self: outside })
    const double = routes.filter((route) => route.filter((m) => m.nets.includes('real')).length > 1)
    expect(double).toEqual([])
  })

  it('are left to chance when there are fewer: the rule would choose the route', () => {
    const layers = shared(5)
    const routes = draw('few', 9_000, layers, { self: outside })
    const same = routes.filter((route) => new Set(route.flatMap((mix) => mix.nets)).size < 3)
    expect(same.length).toBeGreaterThan(1_000)
    for (const layer of [0, 1, 2]) {
      expect(chiSquared(uses(routes, layers, layer))).toBeLessThan(chiSquaredLimit(3))
    }
  })

  it('never decide for longer than sixteen draws', () => {
    // Six networks in all, but the first two layers stand in one.
    const layers = [
      [placeAt('a', 'one'), placeAt('b', 'one')],
      [placeAt('c', 'one'), placeAt('d', 'one')],
      [1, 2, 3, 4, 5].map((i) => placeAt(`e${i}`)),
    ]
    expect(draw('one net', 100, layers, { self: outside })).toHaveLength(100)
  })
})

describe('the courier of a sender', () => {
  /** Eight networks: four have a mix in the first and one in the last layer, four one between. */
  const layers: Layers = [0, 1, 2].map((layer) =>
    [0, 1, 2, 3].map((i) => placeAt(`${layer}.${i}`, `n${layer === 1 ? 4 + i : i}`)),
  )
  const couriers = (self: MixPlace, seed: string, isLinked?: (mix: MixPlace) => boolean) =>
    uses(
      draw(seed, 8_000, layers, { self, ...(isLinked === undefined ? {} : { isLinked }) }),
      layers,
      2,
    )

  it('is drawn from one distribution, wherever the sender stands and whatever links it has', () => {
    const stranger = couriers(outside, 'stranger')
    const senders: Record<string, number[]> = {
      'shares its network with a first mix and a courier': couriers(placeAt('x', 'n0'), 'near'),
      'is a courier itself': couriers(layers[2]?.[1] as MixPlace, 'courier'),
      'is a first mix': couriers(layers[0]?.[2] as MixPlace, 'first'),
      'has one link': couriers(outside, 'one link', (mix) => mix === layers[0]?.[3]),
    }
    const far = Object.entries(senders).filter(
      ([, counts]) => difference(counts, stranger) > chiSquaredLimit(3),
    )
    expect(far).toEqual([])
  })

  it('would not be, if the first hop were left out before the others are drawn', () => {
    // What the rule above is for: the same layers, with the sender's network taken out of the first.
    const self = placeAt('x', 'n0')
    const without = [
      layers[0]?.filter((mix) => mix.nets[0] !== self.nets[0]) ?? [],
      ...layers.slice(1),
    ]
    const counts = uses(draw('naive', 8_000, without, { self: outside }), layers, 2)
    expect(difference(counts, couriers(outside, 'stranger'))).toBeGreaterThan(chiSquaredLimit(3))
  })
})

it('two places are one node by their id alone', () => {
  const layers = layersOf([2, 2])
  const copy = { nodeId: nodeAt('0.0'), nets: ['elsewhere'] }
  const routes = draw('copy', 200, layers, { self: copy })
  expect(new Set(routes.map(([first]) => toHex((first as MixPlace).nodeId))).size).toBe(1)
})
