import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Rpc } from '../../daemon/rpc-port.ts'
import {
  churn,
  isAlive,
  refOf,
  requireState,
  type TestnetPorts,
  writeState,
} from '../../daemon/testnet/index.ts'
import { exponential } from '../../daemon/testnet/churn.ts'
import { systemClock } from '../../src/base/index.ts'
import { seededRng } from '../support/seeded-rng.ts'

const NODES = 3
const OPTIONS = { sessionMs: 150, absenceMs: 50, forMs: 600, hard: true, startTimeoutMs: 5_000 }

let dir: string
const children: ChildProcess[] = []
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-churn-'))
  const nodes = Array.from({ length: NODES }, (_, index) => ({
    index,
    home: join(dir, `node-${index}`),
    rpc: `socket-${index}`,
    address: `/ip4/127.0.0.1/tcp/${index + 1}`,
    peerId: '',
    process: sleeper(),
  }))
  writeState(dir, { version: 1, preset: 'swift', seed: '1', nodes })
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

/** A process that does nothing, in place of a daemon. */
function sleeper() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  children.push(child)
  const ref = refOf(child.pid ?? 0)
  if (ref === undefined) throw new Error('sleep does not start')
  return ref
}

function ports(connect: TestnetPorts['connect']): TestnetPorts {
  return {
    clock: systemClock,
    env: {},
    connect,
    progress: () => {},
    spawn: ({ index }) => ({ index, ref: sleeper(), exit: () => undefined }),
  }
}

const running = () =>
  Promise.resolve({
    call: () => Promise.resolve({ state: 'running' }),
    close: () => {},
  } as unknown as Rpc)

const alive = () =>
  requireState(dir).nodes.map(({ process }) => process !== undefined && isAlive(process))

describe('churn', () => {
  it('stops nodes, starts as many again, and leaves alone whom it is told to', async () => {
    const kept = requireState(dir).nodes[1]?.process
    const report = await churn(
      ports(running),
      { ...OPTIONS, dir, keep: [1], seed: 'a' },
      new AbortController().signal,
    )
    expect(report.stops).toBeGreaterThan(0)
    expect(report.starts).toBe(report.stops)
    expect(report.failures).toEqual([])
    expect(alive()).toEqual([true, true, true])
    expect(requireState(dir).nodes[1]?.process).toEqual(kept)
  })

  it('tells of a node that ended though nobody had stopped it, and starts it again', async () => {
    const report = churn(
      ports(running),
      { ...OPTIONS, sessionMs: 60_000, dir, keep: [], seed: 'a' },
      new AbortController().signal,
    )
    children[2]?.kill('SIGKILL')
    expect((await report).failures).toEqual([expect.stringContaining('node 2: ended by itself')])
    expect(alive()).toEqual([true, true, true])
  })

  it('leaves a whole testnet when it is interrupted while a node is away', async () => {
    const stop = new AbortController()
    const watched = ports(running)
    const run = churn(
      {
        ...watched,
        progress: () => {
          if (alive().includes(false)) stop.abort()
        },
      },
      { ...OPTIONS, absenceMs: 60_000, forMs: 60_000, dir, keep: [], seed: 'b' },
      stop.signal,
    )
    const { stops, starts } = await run
    expect([stop.signal.aborted, starts]).toEqual([true, stops])
    expect(alive()).toEqual([true, true, true])
  })

  it('reports a node that is late and goes on', async () => {
    let asked = 0
    const deafAtFirst = () => {
      asked += 1
      return asked === 1 ? Promise.reject(new Error('nobody answers')) : running()
    }
    const report = churn(
      ports(deafAtFirst),
      { ...OPTIONS, startTimeoutMs: 0, dir, keep: [1, 2], seed: 'c' },
      new AbortController().signal,
    )
    await expect(report).resolves.toMatchObject({
      failures: [expect.stringContaining('node 0')] as string[],
    })
  })

  it('draws times whose mean is the wanted one, and most of them shorter', () => {
    const rng = seededRng('times')
    const times = Array.from({ length: 20_000 }, () => exponential(rng, 60))
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length
    expect(mean).toBeGreaterThan(58)
    expect(mean).toBeLessThan(62)
    expect(times.filter((time) => time < 60).length / times.length).toBeCloseTo(1 - 1 / Math.E, 1)
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0)
  })
})
