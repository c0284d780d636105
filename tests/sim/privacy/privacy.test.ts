import { describe, expect, it } from 'vitest'
import { PRESETS, publishEvery } from '../../../src/directory/index.ts'
import { ksTwoSample } from '../../support/statistics.ts'
import { tryCopyGaps } from './copy-gap.ts'
import { tryCourierNames } from './courier-names.ts'
import { FastRng } from './fast-rng.ts'
import { simulateLatencies } from './latency.ts'
import type { Observer } from './observer.ts'
import { drawWorld, seat } from './place.ts'
import { type RunOptions, runScenario } from './run-scenario.ts'
import { ADOPTED_RULES, adopted, type Scenario, WEAK_SCENARIOS } from './scenario.ts'
import { Traffic } from './traffic.ts'

const LINK_MS = [20, 150] as const
const OPTIONS: RunOptions = {
  seed: 'test',
  victims: 24,
  messages: 16,
  rehearsed: 1_500,
  linkMs: LINK_MS,
}

function weak(id: string): Scenario {
  return WEAK_SCENARIOS.find((scenario) => scenario.id === id) as Scenario
}

describe('the adversary against the obvious design', () => {
  it('names the sender after 3 to 6 linked messages, as the research note found', () => {
    const result = runScenario(weak('free-poisson-3'), OPTIONS)
    expect(result.linkedMedian.censored).toBe(false)
    expect(result.linkedMedian.value).toBeGreaterThanOrEqual(3)
    expect(result.linkedMedian.value).toBeLessThanOrEqual(6)
    // Its entropy there: 3.17 bits of 5.64.
    expect(Math.abs(result.entropyMeanBits - 3.17)).toBeLessThan(0.5)
  })
})

describe('the adversary against layers', () => {
  it('agrees with the research note on the entropy per publication', () => {
    const poisson = runScenario(weak('layered-poisson-4'), OPTIONS)
    expect(Math.abs(poisson.entropyMeanBits - 5.26)).toBeLessThan(0.1)
    const slotted = runScenario(weak('elected-slotted-4'), OPTIONS)
    expect(Math.abs(slotted.entropyMeanBits - 5.62)).toBeLessThan(0.05)
    expect(slotted.linkedMedian).toEqual({ value: OPTIONS.messages, censored: true })
  })

  it('is calibrated: what it believes is how often it is right', () => {
    for (const scenario of [weak('layered-poisson-4'), adopted('balanced', 12, 0.25)]) {
      const { meanTruth, meanSquares, trust } = runScenario(scenario, OPTIONS)
      expect(Math.abs(meanTruth / meanSquares - 1)).toBeLessThan(0.15)
      expect(Math.abs(trust.path - 1)).toBeLessThan(0.4)
    }
  })

  it('gains from every rule that is left out', () => {
    const whole = runScenario(adopted('balanced', 50, 0), OPTIONS)
    const poisson = runScenario(weak('balanced-poisson'), OPTIONS)
    const open = runScenario(weak('balanced-public'), OPTIONS)
    expect(whole.linkedMedian.censored).toBe(true)
    expect(poisson.bitsPerPublication).toBeGreaterThan(2 * whole.bitsPerPublication)
    expect(open.bitsPerPublication).toBeGreaterThan(4 * whole.bitsPerPublication)
    expect(open.linkedP10.value).toBeLessThan(OPTIONS.messages)
  })

  it('gives the same result for the same seed, and another for another', () => {
    const options = { ...OPTIONS, victims: 6, messages: 4, rehearsed: 100 }
    const run = (seed: string) => runScenario(adopted('swift', 12, 0.125), { ...options, seed })
    expect(run('a')).toEqual(run('a'))
    expect(run('a').entropyMeanBits).not.toBe(run('b').entropyMeanBits)
  })
})

describe('the simulated traffic', () => {
  const { layers: hops, slotMs, mixDelayMs, layerEpochMs, copies } = PRESETS.balanced
  const nodes = 30
  const every = publishEvery(nodes, PRESETS.balanced)
  const seconds = 240

  /** A run that notes what happens at the ends of routes. */
  function watch() {
    const sent: number[][] = Array.from({ length: nodes }, () => [])
    const sentAt: number[] = []
    const origin: number[] = []
    const route: number[] = []
    const published: { node: number; at: number; courier: number }[] = []
    let replies = 0
    const observer: Observer = {
      emitted: (frame, node, at) => {
        sent[node]?.push(at)
        sentAt[frame] = at
        origin[frame] = node
      },
      arrived: () => undefined,
      departed: () => undefined,
      arrivedAtCourier: () => undefined,
      arrivedAtLast: () => undefined,
      acted: (frame, courier, at, kind) => {
        route.push(at - (sentAt[frame] as number))
        const node = origin[frame] as number
        if (kind === 'publish') published.push({ node, at: sentAt[frame] as number, courier })
      },
      replied: () => undefined,
      delivered: (frame, _mix, node) => {
        expect(node).toBe(origin[frame])
        replies++
      },
    }
    const rng = new FastRng('traffic')
    const world = drawWorld(rng, nodes)
    const traffic = new Traffic(
      { rng, observer },
      {
        rules: ADOPTED_RULES,
        places: world.places,
        layers: seat(rng, world, 1, 'elected', PRESETS.balanced),
        slotMs,
        mixDelayMs,
        replyDelayMs: mixDelayMs,
        layerEpochMs,
        publishEvery: every,
        copies,
        linkMs: LINK_MS,
        isCorrupt: new Uint8Array(nodes),
        isVictim: new Uint8Array(nodes),
        linkedUntil: 0,
      },
    )
    traffic.begin(-30_000)
    traffic.run(seconds * 1_000)
    return { sent, route, published, replies, counts: traffic.counts }
  }
  const seen = watch()

  it('sends one packet in every slot of every node and answers each', () => {
    for (const times of seen.sent) {
      const slots = times.map((at) => Math.floor(at / slotMs))
      expect(slots).toEqual(slots.map((_, i) => (slots[0] as number) + i))
    }
    const outstanding = seen.counts.emitted - seen.replies
    expect(outstanding).toBeGreaterThan(0)
    expect(outstanding).toBeLessThan(nodes * 20)
    expect(seen.counts.selfHops).toBe(0)
  })

  it('publishes once in every cycle of every node, two copies at different couriers', () => {
    const cycles = Math.floor((seconds * 1_000 - 20_000) / (every * slotMs * copies)) * copies
    for (let node = 0; node < nodes; node++) {
      const own = seen.published
        .filter((each) => each.node === node && each.at >= 0)
        .toSorted((a, b) => a.at - b.at)
        .slice(0, cycles)
      expect(own.map(({ at }) => Math.floor(at / (every * slotMs)))).toEqual([...own.keys()])
      for (let round = 0; round + 1 < own.length; round += copies) {
        expect(own[round]?.courier).not.toBe(own[round + 1]?.courier)
      }
    }
  })

  it('has the latencies that are predicted for a real network', () => {
    const predicted = simulateLatencies(new FastRng('latency'), {
      parameters: PRESETS.balanced,
      nodes,
      linkMs: LINK_MS,
      samples: 5_000,
    })
    expect(ksTwoSample(seen.route, [...predicted.route])).toBeGreaterThan(0.001)
    const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length
    const link = (LINK_MS[0] + LINK_MS[1]) / 2
    expect(Math.abs(mean(predicted.route) / (hops * (link + mixDelayMs)) - 1)).toBeLessThan(0.03)
    const reply = 1_000 + (hops + 1) * (link + mixDelayMs)
    expect(Math.abs(mean(predicted.reply) / reply - 1)).toBeLessThan(0.03)
    // Two uniform moments of adjacent cycles: half a cycle and a bit until the next publication.
    const wait = (mean(predicted.withWait) - mean(predicted.route)) / (every * slotMs)
    expect(wait).toBeGreaterThan(0.5)
    expect(wait).toBeLessThan(0.8)
  })
})

describe('a contact who sees only couriers', () => {
  const options = {
    seed: 'test',
    parameters: PRESETS.balanced,
    nodes: 20,
    boxes: 40,
    worlds: 16,
    sendersPerWorld: 2,
    learnt: 300,
  }

  it('does no better than chance', () => {
    for (const nodesPerNet of [1, 3]) {
      const result = tryCourierNames({ ...options, rule: 'drawn', nodesPerNet })
      expect(Math.abs(result.meanRank - 0.5)).toBeLessThan(2 * result.rankMargin)
      expect(result.named).toBe(0)
    }
  })

  it('would name a sender who never is its own courier', () => {
    const result = tryCourierNames({ ...options, rule: 'own-left-out', nodesPerNet: 1, worlds: 4 })
    expect(result.meanRank).toBeLessThan(0.05)
    expect(result.named / result.trials).toBeGreaterThan(0.8)
  })
})

describe('the gap between copies', () => {
  const options = {
    seed: 'test',
    parameters: PRESETS.balanced,
    nodes: 50,
    linkMs: LINK_MS,
    idle: 0.02,
    busy: 0.5,
    learnt: 20_000,
    streams: 60,
    horizon: 100,
  }

  it('says nothing about other conversations, unless it waits for them', () => {
    expect(tryCopyGaps({ ...options, rule: 'next-cycle' }).censored).toBe(true)
    const queued = tryCopyGaps({ ...options, rule: 'queued' })
    expect(queued.censored).toBe(false)
    expect(queued.boxesMedian).toBeLessThan(20)
  })
})
