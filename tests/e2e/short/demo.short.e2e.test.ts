import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isAlive, readState } from '../../../daemon/testnet/index.ts'
import {
  eventually,
  hearsay,
  hearsayJson,
  LAUNCHER,
  Running,
  withFolder,
} from '../../support/e2e.ts'

/** The processes of the testnet in `dir` that still live. */
function living(dir: string): number[] {
  return (readState(dir)?.nodes ?? []).flatMap(({ process: ref }) =>
    ref !== undefined && isAlive(ref) ? [ref.pid] : [],
  )
}

describe('hearsay testnet demo', () => {
  it('delivers a message between all pairs of 3 nodes exactly once, then leaves no process', () =>
    withFolder(async (folder) => {
      const dir = join(folder, 'net')
      const { code, stdout, stderr } = await hearsay([
        'testnet',
        'demo',
        '--once',
        '--nodes',
        '3',
        '--dir',
        dir,
      ])
      expect(stderr + stdout).toContain('6 of 6 pairs delivered, 0 lost, 0 duplicated')
      expect(code).toBe(0)
      expect(living(dir)).toEqual([])
      expect(stdout).toMatch(/node +state +peers +delivered +p50 ms +p99 ms +socket/)
    }))

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'leaves no process when it is ended by %s while nodes start',
    (signal) =>
      withFolder(async (folder) => {
        const dir = join(folder, 'net')
        const demo = new Running(LAUNCHER, ['testnet', 'demo', '--nodes', '3', '--dir', dir])
        await eventually('a node to start', 30_000, async () => living(dir).length > 0)
        demo.child.kill(signal)
        await demo.result
        await eventually('all nodes to end', 20_000, async () => living(dir).length === 0)
        expect(living(dir)).toEqual([])
      }),
  )

  it('stays up after the smoke test, answers commands, and goes with Ctrl-C', () =>
    withFolder(async (folder) => {
      const dir = join(folder, 'net')
      const demo = new Running(LAUNCHER, ['testnet', 'demo', '--nodes', '2', '--dir', dir])
      try {
        await demo.says('stays up until Ctrl-C', 120_000)
        expect(living(dir)).toHaveLength(2)
        const words = ['testnet', 'exec', '--dir', dir, '0', 'send', 'node-1', 'hello', '--wait']
        const sent = await hearsay(words)
        expect(sent.code).toBe(0)
        const second = await hearsay(['testnet', 'up', '--dir', dir])
        expect(second.code).toBe(8)
      } finally {
        demo.child.kill('SIGINT')
      }
      expect((await demo.result).code).toBe(0)
      expect(living(dir)).toEqual([])
    }))
})

describe('hearsay testnet', () => {
  it('starts, reports, tests itself twice, kills and restarts a node, and stops', () =>
    withFolder(async (folder) => {
      const dir = join(folder, 'net')
      const at = ['--dir', dir]
      try {
        const up = await hearsayJson<{ dir: string; nodes: Record<string, unknown>[] }>([
          'testnet',
          'up',
          '--nodes',
          '3',
          ...at,
        ])
        expect(up.dir).toBe(dir)
        expect(up.nodes).toHaveLength(3)
        expect(Object.keys(up.nodes[0] ?? {})).toEqual([
          'index',
          'home',
          'rpc',
          'pid',
          'peerId',
          'state',
        ])
        expect(up.nodes.map(({ home }) => home)).toEqual(
          [0, 1, 2].map((i) => join(dir, `node-${i}`)),
        )

        for (let round = 0; round < 2; round++) {
          const smoke = await hearsayJson(['testnet', 'smoke', ...at])
          expect(smoke).toMatchObject({ pairs: 6, sent: 6, delivered: 6, lost: 0, duplicates: 0 })
          expect(smoke).toHaveProperty('latencyMs.p99')
        }
        expect((await hearsay(['testnet', 'kill', '1', '-9', ...at])).code).toBe(0)
        const status = await hearsayJson<{ nodes: { state: string }[] }>([
          'testnet',
          'status',
          ...at,
        ])
        expect(status.nodes.map(({ state }) => state)).toEqual(['running', 'down', 'running'])
        expect((await hearsay(['testnet', 'start', '1', ...at])).code).toBe(0)
        expect((await hearsay(['testnet', 'pause', '2', '200ms', ...at])).code).toBe(0)
        expect((await hearsay(['testnet', 'report', ...at])).stdout).toContain('6 of 6 pairs')
        expect(living(dir)).toHaveLength(3)
      } finally {
        await hearsay(['testnet', 'down', ...at])
      }
      expect(living(dir)).toEqual([])
      expect(readFileSync(join(dir, 'node-0', 'log', 'hearsay.log'), 'utf8')).toContain('stopped')
    }))
})
