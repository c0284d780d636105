import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../../support/cli.ts'

let home: string
let server: Server
let connections = 0
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hs-silent-'))
  connections = 0
  // As the kernel does for a daemon that is stopped: connections are taken, and nobody answers.
  server = createServer(() => {
    connections++
  })
  await new Promise<void>((resolve) => server.listen(join(home, 'rpc.sock'), resolve))
  writeFileSync(join(home, 'daemon.pid'), '4711\n')
})
afterEach(() => {
  server.close()
  rmSync(home, { recursive: true, force: true })
})

const command = (...words: string[]) => runCli(['--home', home, ...words])

describe('a daemon that does not answer', () => {
  it.each([['down'], ['up'], ['doctor'], ['db', 'check'], ['db', 'stats'], ['outbox'], ['listen']])(
    'is named within the --timeout of %s %s, with what to do, and no second one is started',
    async (...words) => {
      const { code, stderr } = await command('--timeout', '20ms', ...words.filter(Boolean))
      expect([code, stderr]).toEqual([5, expect.stringContaining('does not answer')])
      expect(stderr).toContain(join(home, 'rpc.sock'))
      expect(stderr).toContain('fix:')
    },
  )

  it.each([['db', 'check'], ['doctor']])(
    'does not keep Ctrl-C from ending %s %s',
    async (...words) => {
      const running = startCli(['--home', home, ...words.filter(Boolean)])
      while (connections === 0) await nextTurn()
      running.signal('SIGINT')
      expect((await running.result).code).toBe(130)
    },
  )
})
