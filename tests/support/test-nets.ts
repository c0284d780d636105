import { createHash } from 'node:crypto'
import { silentLogger, systemClock, systemRng } from '../../src/base/index.ts'
import { createNet, type Net, type NetOptions, type TopicPlan } from '../../src/net/index.ts'

export const PNET_KEY = new Uint8Array(32).fill(7)
export const NETWORK_TAG = 'c0ffee00'

export const quietScoring: TopicPlan['scoring'] = {
  memorySeconds: 10,
  meshShare: 0,
  meshShareCap: 100,
  silentPoints: -8,
  firstPoints: 0.1,
  firstPointsCap: 5,
  invalidPoints: -5,
}

export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(bytes).digest())

/** A real libp2p net on 127.0.0.`host`, on a free port, with one topic `test`. */
export function testNet(host: number, options: Partial<NetOptions> = {}): Net {
  return createNet(
    { clock: systemClock, rng: systemRng, log: silentLogger },
    {
      privateKeySeed: sha256(Uint8Array.of(host, host >> 8, 1)),
      listen: [`/ip4/127.0.0.${host}/tcp/0`],
      pnetKey: PNET_KEY,
      networkTag: NETWORK_TAG,
      bootstraps: [],
      topics: [{ topic: 'test', maxMessageBytes: 4_096, scoring: quietScoring }],
      ...options,
    },
  )
}

/** Polls every 20 ms of real time; for integration tests only. */
export async function eventually(condition: () => boolean, ms = 30_000): Promise<void> {
  const end = performance.now() + ms
  while (!condition()) {
    if (performance.now() > end) throw new Error('condition did not become true in time')
    await systemClock.sleep(20)
  }
}
