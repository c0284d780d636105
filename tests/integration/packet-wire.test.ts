import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Namespaces } from '../support/namespaces.ts'
import { type PacketFaults, PacketWire } from '../support/packet-wire.ts'
import { UNABLE } from '../support/sandbox.ts'

const missing = Namespaces.missing() ?? PacketWire.missing()
const PORT = 7_000
const COUNT = 2_000

/** Hears numbered datagrams, and prints all numbers when it has heard nothing for a while, or for long enough. */
const HEAR = `
  const socket = require('node:dgram').createSocket('udp4')
  const heard = []
  const end = () => { console.log(JSON.stringify(heard)); process.exit() }
  let quiet
  socket.once('message', () => setTimeout(end, 4_000))
  socket.on('message', (bytes) => {
    heard.push([bytes.readUInt32BE(0), Date.now() - Number(bytes.readBigUInt64BE(4))])
    clearTimeout(quiet)
    quiet = setTimeout(end, 400)
  })
  socket.bind(${PORT}, () => console.log('ready'))
`

/** Says them, a few at a time. */
const SAY = `
  const socket = require('node:dgram').createSocket('udp4')
  let next = 0
  const timer = setInterval(() => {
    for (let i = 0; i < 20 && next < ${COUNT}; i++) {
      const bytes = Buffer.alloc(200)
      bytes.writeUInt32BE(next++, 0)
      bytes.writeBigUInt64BE(BigInt(Date.now()), 4)
      socket.send(bytes, ${PORT}, process.argv[1])
    }
    if (next === ${COUNT}) { clearInterval(timer); setTimeout(() => socket.close(), 100) }
  }, 5)
`

/** Two hours of packets in the memory of the wire, of which ten seconds of replays take some; prints what they were. */
const TWO_HOURS = `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location('wire', sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.KEPT_MOST = 200
wire = module.Wire([], 'test')
wire.faults.update(replays=50, replayAgeMs=3_600_000)
for number in range(200_000):
    wire.keep(number * 0.036, 1, number)
wire.next_replay = 7_190
wire.replay(7_200)
ages = [7_200 - number * 0.036 for _, _, _, number in wire.leaving]
print(json.dumps({'kept': len(wire.kept), 'played': len(ages), 'ages': [min(ages), max(ages)]}))
`

const declare = missing === undefined ? onHosts : notHere

describe('the wire between hosts', () => {
  declare()
})

describe('what the wire remembers', () => {
  it('is bounded, and still has packets of an hour ago and more (needs python3)', () => {
    const program = join(import.meta.dirname, '../support/packet-wire.py')
    // Without the bytes that Python would leave beside its program.
    const args = ['-B', '-c', TWO_HOURS, program]
    const { stdout } = spawnSync('python3', args, { encoding: 'utf8' })
    const { kept, played, ages } = JSON.parse(stdout) as {
      kept: number
      played: number
      ages: [number, number]
    }
    expect(kept).toBeGreaterThanOrEqual(100)
    expect(kept).toBeLessThan(200)
    expect(played).toBeGreaterThanOrEqual(499)
    expect(ages[0]).toBeGreaterThan(3_599)
    expect(ages[1]).toBeGreaterThan(6_000)
  })
})

function notHere(): void {
  it(`is not there, because ${missing}`, () => {
    expect(missing).toMatch(UNABLE)
  })
}

function onHosts(): void {
  const hosts = new Namespaces()
  let wire: PacketWire
  let target = ''

  beforeAll(() => {
    hosts.add('a', 1)
    target = hosts.add('b', 2)
    hosts.cutRouter()
    wire = new PacketWire(hosts, { nets: [1, 2], seed: 'test' })
  })

  afterAll(() => {
    wire.close()
    hosts.remove()
  })

  function node(name: string, code: string, ...args: string[]) {
    const [file, ...words] = hosts.on(name)
    return spawn(file, [...words, process.execPath, '-e', code, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  /** Numbers in the order in which they came, and the shortest way in milliseconds. */
  async function heardUnder(faults: PacketFaults) {
    await wire.set(faults)
    const lines = createInterface({ input: node('b', HEAR).stdout })[Symbol.asyncIterator]()
    await lines.next()
    node('a', SAY, target)
    const heard = JSON.parse((await lines.next()).value ?? '[]') as [number, number][]
    const numbers = heard.map(([number]) => number)
    return {
      numbers,
      different: new Set(numbers).size,
      fastestMs: Math.min(...heard.map(([, ms]) => ms)),
    }
  }

  it('carries everything once and in order', async () => {
    const { numbers } = await heardUnder({})
    expect(numbers).toEqual(Array.from({ length: COUNT }, (_, i) => i))
  })

  it('loses a share, in bursts', async () => {
    const { numbers } = await heardUnder({ loss: 0.2, burst: 4 })
    const lost = 1 - numbers.length / COUNT
    expect(lost).toBeGreaterThan(0.12)
    expect(lost).toBeLessThan(0.28)
    // Single losses of a fifth would leave four times as many gaps as bursts of four do.
    const gaps = numbers.filter((number, i) => i > 0 && number !== (numbers[i - 1] ?? 0) + 1)
    expect((COUNT - numbers.length) / gaps.length).toBeGreaterThan(2.5)
  })

  it('doubles a share', async () => {
    const { numbers, different } = await heardUnder({ repeat: 0.2 })
    expect(different).toBe(COUNT)
    expect(numbers.length / COUNT).toBeGreaterThan(1.15)
    expect(numbers.length / COUNT).toBeLessThan(1.25)
  })

  it('makes them late, and keeps their order', async () => {
    const { numbers, fastestMs } = await heardUnder({ delayMs: 80, jitterMs: 30 })
    expect(numbers).toEqual(Array.from({ length: COUNT }, (_, i) => i))
    expect(fastestMs).toBeGreaterThanOrEqual(49)
  })

  it('drops what its rate has no room for', async () => {
    const { different } = await heardUnder({ rateBps: 500_000 })
    expect(different).toBeLessThan(COUNT)
    expect((await wire.counts())['lost in a queue']).toBeGreaterThan(0)
  })

  it('plays again what has passed', async () => {
    const { numbers, different } = await heardUnder({ replays: 200, replayAgeMs: 200 })
    expect(different).toBe(COUNT)
    expect(numbers.length).toBeGreaterThan(COUNT)
    expect((await wire.counts())['played again']).toBeGreaterThan(0)
  })
}
