import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EXIT, ExitError } from '../../../daemon/exit-codes.ts'
import {
  bringUp,
  defaultPreset,
  isAlive,
  parseParameters,
  percentiles,
  readState,
  refOf,
  requireState,
  signalProcess,
  startTimeOf,
  stopProcesses,
  Tally,
  waitGone,
  withTestnetLock,
  writeState,
} from '../../../daemon/testnet/index.ts'
import { systemClock } from '../../../src/base/index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-testnet-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('percentiles', () => {
  it('gives null without samples and the nearest rank with them', () => {
    expect(percentiles([])).toEqual({ p50: null, p95: null, p99: null })
    expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 })
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(percentiles(hundred)).toEqual({ p50: 50, p95: 95, p99: 99 })
  })
})

describe('the tally of a smoke test', () => {
  function twoMessages(): Tally {
    const tally = new Tally()
    tally.expect('a', 0, 1)
    tally.expect('b', 1, 0)
    for (const [text, id] of [
      ['a', 'm1'],
      ['b', 'm2'],
    ] as const) {
      tally.sending(text, 100)
      tally.accepted(text, id)
    }
    return tally
  }

  it('counts what arrived once, and is complete when the senders know', () => {
    const tally = twoMessages()
    tally.received({ id: 'e1', node: 1, text: 'a', at: 150 })
    tally.received({ id: 'e2', node: 0, text: 'b', at: 160 })
    expect(tally.complete).toBe(false)
    tally.confirmed({ id: 'e3', node: 0, messageId: 'm1', at: 300 })
    tally.confirmed({ id: 'e4', node: 1, messageId: 'm2', at: 200 })
    expect(tally.complete).toBe(true)
    expect(tally.result()).toMatchObject({
      sent: 2,
      delivered: 2,
      lost: 0,
      duplicates: 0,
      confirmed: 2,
      arrivalMs: { p50: 50, p99: 60 },
      latencyMs: { p50: 100, p99: 200 },
    })
  })

  it('counts what never arrived as lost, even when the sender was told that it was delivered', () => {
    const tally = twoMessages()
    tally.confirmed({ id: 'e1', node: 0, messageId: 'm1', at: 300 })
    expect(tally.result()).toMatchObject({ delivered: 0, lost: 2, confirmed: 0 })
  })

  it('counts a second event with the same text as a duplicate, whatever its message id', () => {
    const tally = twoMessages()
    tally.received({ id: 'e1', node: 1, text: 'a', at: 150 })
    tally.received({ id: 'e2', node: 1, text: 'a', at: 151 })
    tally.received({ id: 'e3', node: 1, text: 'a', at: 152 })
    expect(tally.result()).toMatchObject({ delivered: 0, lost: 1, duplicates: 2 })
  })

  it('does not count an event twice that was handed out again', () => {
    const tally = twoMessages()
    const event = { id: 'e1', node: 1, text: 'a', at: 150 }
    expect(tally.received(event)).toBe(true)
    expect(tally.received(event)).toBe(false)
    expect(tally.result().duplicates).toBe(0)
  })

  it('does not count a message that arrived at the wrong node or belongs to another run', () => {
    const tally = twoMessages()
    expect(tally.received({ id: 'e1', node: 0, text: 'a', at: 150 })).toBe(false)
    expect(tally.received({ id: 'e2', node: 1, text: 'z', at: 150 })).toBe(false)
    expect(tally.result().lost).toBe(2)
  })

  it('is complete but not clean when a message was reported as failed', () => {
    const tally = twoMessages()
    tally.failed('m1')
    tally.failed('m2')
    expect(tally.complete).toBe(true)
    expect(tally.result().lost).toBe(2)
  })
})

describe('parameters of a testnet', () => {
  it('are numbers where they look like it, and words where not', () => {
    expect(parseParameters(['boxRate=10', 'mixDelayMs=250', 'slack=3sigma', 'x=-0.5'])).toEqual({
      boxRate: 10,
      mixDelayMs: 250,
      slack: '3sigma',
      x: -0.5,
    })
    expect(parseParameters([])).toEqual({})
  })

  it.each([['boxRate'], ['=1'], ['boxRate='], ['box rate=1'], ['boxRate=1 2'], ['a=1', 'a=1']])(
    'are refused when they are not clear: %s %s',
    (...words) => {
      expect(() => parseParameters(words)).toThrow(
        expect.objectContaining({ exitCode: EXIT.usage }),
      )
    },
  )

  it('cannot change once the network is made, and nothing is started then', async () => {
    const kept = { version: 1, preset: 'swift', seed: '1', parameters: { boxRate: 10 } } as const
    writeState(dir, { ...kept, nodes: [] })
    const ports = {
      clock: systemClock,
      env: {},
      connect: () => Promise.reject(new Error('nobody is there')),
      progress: () => {},
      spawn: () => {
        throw new Error('started')
      },
    }
    const options = {
      dir,
      nodes: 0,
      preset: 'swift',
      seed: '1',
      tethered: true,
      timeoutMs: 1,
    } as const
    const up = (parameters: Record<string, number>) =>
      bringUp(ports, { ...options, parameters }, new AbortController().signal)
    const conflict = expect.objectContaining({ exitCode: EXIT.conflict })
    await expect(up({ boxRate: 11 })).rejects.toEqual(conflict)
    await expect(up({})).rejects.toEqual(conflict)
    await expect(up({ boxRate: 10 })).resolves.toMatchObject(kept)
  })
})

describe('process references', () => {
  it('know a living process and forget an ended one, even when its number lives on', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const ref = refOf(child.pid ?? 0)
    if (ref === undefined) throw new Error('the child did not start')
    expect(isAlive(ref)).toBe(true)
    expect(isAlive({ ...ref, startTime: 'another time' })).toBe(false)
    expect(signalProcess({ ...ref, startTime: 'another time' }, 'SIGKILL')).toBe(false)
    expect(isAlive(ref)).toBe(true)
    expect(signalProcess(ref, 'SIGKILL')).toBe(true)
    expect(await waitGone(ref, systemClock, 5_000)).toBe(true)
    expect(signalProcess(ref, 'SIGTERM')).toBe(false)
  })

  it('say nothing of a pid that nobody has', () => {
    expect(startTimeOf(2 ** 22 + 1)).toBeUndefined()
  })

  it('end a process that ignores SIGTERM or is paused', async () => {
    const script = "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)"
    const child = spawn(process.execPath, ['-e', script])
    await new Promise((resolve) => child.stdout.once('data', resolve))
    const ref = refOf(child.pid ?? 0)
    if (ref === undefined) throw new Error('the child did not start')
    signalProcess(ref, 'SIGSTOP')
    expect(await stopProcesses([ref], systemClock, 100)).toEqual({ forced: [ref] })
    expect(isAlive(ref)).toBe(false)
  })
})

describe('the files of a testnet', () => {
  it('give back what was written, and nothing when there is none', () => {
    expect(readState(dir)).toBeUndefined()
    expect(() => requireState(dir)).toThrow(ExitError)
    const state = { version: 1, preset: 'swift', seed: '1', nodes: [] } as const
    writeState(dir, state)
    expect(readState(dir)).toEqual(state)
  })

  it('are locked against a second command, and free when the first is done', async () => {
    await withTestnetLock(dir, async () => {
      await expect(withTestnetLock(dir, async () => {})).rejects.toMatchObject({
        exitCode: EXIT.conflict,
      })
    })
    expect(await withTestnetLock(dir, async () => 'free')).toBe('free')
  })

  it('take the preset that fits the number of nodes', () => {
    expect(defaultPreset(7)).toBe('swift')
    expect(defaultPreset(30)).toBe('lab')
  })
})
