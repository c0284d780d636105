import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Rpc } from '../../../daemon/rpc-port.ts'
import { inspectNetwork } from '../../../src/directory/index.ts'
import { PUBLICATION_BYTES } from '../../../src/gossip/constants.ts'
import type { SlotGrid } from '../../../src/mix/index.ts'
import { type Cadence, cyclesIn, measureCadence } from '../../support/cadence.ts'
import { eventually, type Testnet, withTestnet } from '../../support/e2e.ts'
import { Observer } from '../../support/observer.ts'
import { ksTwoSample } from '../../support/statistics.ts'

const STRETCH_MS = 15_000
/** About two boxes each, so that twenty last longer than the stretch. */
const LETTER = 'x'.repeat(3_000)
/**
 * A real clock and a busy machine: a fair comparison is wrong once in a thousand runs. The exact figures are those
 * of tests/integration/worlds/cadence.test.ts, on virtual time; those of what leaves a node's links, `npm run privacy`.
 */
const SIGNIFICANCE = 0.001

/** Publications that may be between their writers and gossip at one moment. */
const UNDER_WAY = 6

const ALIASES = ['quiet-heron', 'brown-otter'] as const

async function becomeContacts(a: Rpc, b: Rpc): Promise<string> {
  const { uri } = await a.call('contacts.invite', { label: ALIASES[1] })
  await b.call('contacts.add', { uri, alias: ALIASES[0] })
  await eventually('contacts', 60_000, async () => {
    const [x, y] = await Promise.all([
      a.call('contacts.get', { contact: ALIASES[1] }),
      b.call('contacts.get', { contact: ALIASES[0] }),
    ])
    return x.state === 'ready' && y.state === 'ready'
  })
  return uri
}

interface Rules extends SlotGrid {
  readonly publishEvery: number
}

/** Publications of all couriers while `run` lasts. */
async function watched(
  observer: Observer,
  rules: Rules,
  run: () => Promise<void>,
): Promise<Cadence & { offsets: number[] }> {
  const now = () => performance.timeOrigin + performance.now()
  const from = now()
  await run()
  const to = now()
  const beats = cyclesIn(rules, rules.publishEvery, from, to)
  return { ...measureCadence(observer.seen, beats), offsets: offsetsOf(observer.seen, from, to) }
}

function offsetsOf(seen: readonly { at: number }[], from: number, to: number): number[] {
  return seen.filter(({ at }) => at >= from && at < to).map(({ at }) => at - from)
}

/** Publications by five seconds and by tenth of the cycle, side by side. */
function table(
  idle: Cadence & { offsets: number[] },
  busy: Cadence & { offsets: number[] },
): string {
  const rows: string[] = ['                    idle   20 queued']
  const row = (name: string, a: number | string, b: number | string) =>
    rows.push(`${name.padEnd(16)}${String(a).padStart(8)}${String(b).padStart(12)}`)
  for (let s = 0; s < STRETCH_MS / 1_000; s += 5) {
    const inside = ({ offsets }: { offsets: number[] }) =>
      offsets.filter((at) => at >= s * 1_000 && at < (s + 5) * 1_000).length
    row(`seconds ${s}-${s + 5}`, inside(idle), inside(busy))
  }
  for (let tenth = 0; tenth < 10; tenth++) {
    const inside = ({ moments }: Cadence) =>
      moments.filter((at) => Math.floor(at * 10) === tenth).length
    row(`cycle ${tenth * 10}-${tenth * 10 + 10} %`, inside(idle), inside(busy))
  }
  row('cycles', idle.beats, busy.beats)
  row('publications', idle.sightings, busy.sightings)
  row('per minute', idle.perMinute.toFixed(1), busy.perMinute.toFixed(1))
  row('sizes, B', idle.sizes.join(' '), busy.sizes.join(' '))
  rows.push(`moments alike: p = ${ksTwoSample(idle.moments, busy.moments).toFixed(3)}`)
  return rows.join('\n')
}

/** What none of the logs may hold. */
function expectCleanLogs(net: Testnet, secrets: readonly string[]): void {
  for (const { home } of net.nodes) {
    const log = readFileSync(join(home, 'log', 'hearsay.log'), 'utf8')
    expect(log.length).toBeGreaterThan(0)
    expect(secrets.filter((secret) => log.includes(secret))).toEqual([])
  }
}

describe('the couriers of a network, seen by another of its members', () => {
  it('publish as much, as large and at such moments with 20 messages queued as without', () =>
    withTestnet(
      3,
      async (net) => {
        const [writer, reader, third] = [await net.rpc(0), await net.rpc(1), await net.rpc(2)]
        const addresses: string[] = []
        for (const rpc of [writer, reader, third]) {
          await rpc.call('config.set', { key: 'log.level', value: 'debug' })
          addresses.push(...(await rpc.call('node.status')).addresses)
        }
        const { file } = await writer.call('network.get')
        const network = inspectNetwork(file, { now: Date.now() })
        const observer = await Observer.join(file, addresses)
        try {
          const uri = await becomeContacts(writer, reader)
          await eventually(
            'the observer hears everybody',
            60_000,
            async () => observer.neighbours >= 2,
          )
          const { mixing } = await writer.call('node.status')
          const rules: Rules = {
            originMs: network.createdAt,
            slotMs: network.parameters.slotMs,
            epochMs: network.parameters.layerEpochMs,
            publishEvery: mixing.publishEvery,
          }
          const sleep = () => new Promise<void>((done) => setTimeout(done, STRETCH_MS))
          const idle = await watched(observer, rules, sleep)
          const ids: string[] = []
          const busy = await watched(observer, rules, async () => {
            for (let i = 0; i < 20; i++) {
              const body = { text: `${i} ${LETTER}` }
              const { messageId } = await writer.call('messages.send', { to: ALIASES[1], body })
              ids.push(messageId)
            }
            await sleep()
          })
          const { outbox } = await writer.call('node.status')
          console.log(table(idle, busy))
          // The queue lasted to the end.
          expect(outbox.queued).toBeGreaterThan(0)
          for (const { sizes, sightings, beats } of [idle, busy]) {
            expect(sizes).toEqual([PUBLICATION_BYTES])
            // One of each node in a cycle, but for those that were under way when it began or ended.
            expect(Math.abs(sightings - net.nodes.length * beats)).toBeLessThanOrEqual(UNDER_WAY)
          }
          expect(ksTwoSample(idle.moments, busy.moments)).toBeGreaterThan(SIGNIFICANCE)
          const contact = await writer.call('contacts.get', { contact: ALIASES[1] })
          expectCleanLogs(net, [...ALIASES, ...ids, uri, LETTER.slice(0, 40), contact.contactId])
        } finally {
          await observer.stop()
          writer.close()
          reader.close()
          third.close()
        }
        // The observer is none of the nodes that a relay knows.
      },
      '--direct',
    ))
})
