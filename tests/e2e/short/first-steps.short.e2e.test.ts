import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hearsay, LAUNCHER, ROOT, Running, withFolder } from '../../support/e2e.ts'

/** What the optional package brings where there is one. */
const BUNDLED = join(
  ROOT,
  'node_modules',
  `node-${process.platform}-${process.arch}`,
  'bin',
  'node',
)

describe('hearsay version', () => {
  it('with an old Node first in PATH takes its own, from another folder by absolute path, or says what it needs', () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'node'), '#!/bin/sh\necho v20.20.2\n', { mode: 0o755 })
      const { code, stdout, stderr } = await hearsay(['version'], {
        cwd: '/',
        env: { PATH: `${folder}:/usr/bin:/bin` },
      })
      const hasOwn = existsSync(BUNDLED)
      expect(code).toBe(hasOwn ? 0 : 78)
      expect(hasOwn ? stdout : stderr).toMatch(hasOwn ? /^hearsay / : /needs Node 24\.7 or newer/)
    }))
})

describe('two people on two homes', () => {
  it('make a network, meet, talk, and find everything after a restart', () =>
    withFolder(async (folder) => {
      const [ann, bob] = [join(folder, 'ann'), join(folder, 'bob')]
      const as = (home: string, ...args: string[]) => hearsay([...args, '--home', home])
      try {
        expect((await as(ann, 'init')).code).toBe(0)
        expect((await as(ann, 'up')).code).toBe(0)
        expect((await as(bob, 'up')).code).toBe(0)
        expect(statSync(join(ann, 'vault.key')).mode & 0o777).toBe(0o600)
        expect(statSync(join(ann, 'rpc.sock')).mode & 0o777).toBe(0o600)
        expect(statSync(ann).mode & 0o077).toBe(0)

        const network = await as(
          ann,
          'network',
          'create',
          'us',
          '--preset',
          'swift',
          '--admission',
          'open',
        )
        expect(network.code).toBe(0)
        const words = /words +(.+?) {2}/.exec(network.stderr)?.[1] ?? ''
        const joined = await hearsay(
          ['network', 'join', '-', '--expect-words', words, '--home', bob],
          {
            input: network.stdout,
          },
        )
        expect(joined.stderr).toContain('linked')
        expect(joined.code).toBe(0)

        const invite = await as(ann, 'contact', 'invite', '--label', 'bob')
        const added = await as(bob, 'contact', 'add', invite.stdout.trim(), '--as', 'ann')
        expect(added.code).toBe(0)
        expect(added.stderr).toContain('safety number')

        const numbers = await Promise.all([
          as(ann, 'contact', 'verify', 'bob'),
          as(bob, 'contact', 'verify', 'ann'),
        ])
        expect(numbers[0]?.stdout).toMatch(/^(\d{5} ){11}\d{5}\n$/)
        expect(numbers[0]?.stdout).toBe(numbers[1]?.stdout)

        const listener = new Running(LAUNCHER, ['listen', '--count', '2', '--home', ann])
        expect((await as(bob, 'send', 'ann', 'hello', '--wait')).code).toBe(0)
        await listener.says('bob: hello')
        const piped = await hearsay(['send', 'ann', '--wait', '--home', bob], {
          input: 'two\nlines\n',
        })
        expect(piped.code).toBe(0)
        expect((await listener.result).code).toBe(0)

        expect((await as(ann, 'down')).code).toBe(0)
        // Whoever starts it again at once is not refused.
        expect(['rpc.sock', 'daemon.pid'].filter((name) => existsSync(join(ann, name)))).toEqual([])
        const late = await as(
          bob,
          'send',
          'ann',
          'while you slept',
          '--wait=delivered',
          '--timeout',
          '1s',
        )
        expect(late.code).toBe(6)
        expect((await as(ann, 'up')).code).toBe(0)
        const resumed = await as(ann, 'listen', '--count', '1', '--timeout', '60s')
        expect(resumed.stdout).toMatch(/bob: while you slept\n$/)
        const history = await as(ann, 'history', 'bob')
        expect(history.stdout.match(/bob:/g)).toHaveLength(3)
        expect((await as(ann, 'status')).stdout).toContain('privacy')
      } finally {
        await Promise.all([as(ann, 'down'), as(bob, 'down')])
      }
    }))
})
