import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EXIT } from '../../../daemon/exit-codes.ts'
import { type TestnetState, writeState } from '../../../daemon/testnet/index.ts'
import { runCli } from '../../support/cli.ts'

const NODES = 3
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-faults-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function testnet(more: Partial<TestnetState> = {}): void {
  const nodes = Array.from({ length: NODES }, (_, index) => ({
    index,
    home: join(dir, `node-${index}`),
    rpc: join(dir, `node-${index}`, 'rpc.sock'),
    address: `/ip4/127.${index}.0.1/tcp/1`,
    peerId: '',
  }))
  writeState(dir, { version: 1, preset: 'swift', seed: '1', nodes, ...more })
}

const command = (...words: string[]) => runCli(['testnet', ...words, '--dir', dir])

describe('the fault commands of a testnet', () => {
  it.each([
    [['partition']],
    [['partition', '0,1']],
    [['partition', '0|9']],
    [['link', '0']],
    [['link', '0', '0']],
    [['link', '0', '3']],
    [['link', '0', '1', '--loss', '5']],
    [['link', '0', '1', '--loss', '101%']],
    [['link', '0', '1', '--repeat', '-1%']],
    [['link', '0', '1', '--rate', '256']],
    [['link', '0', '1', '--rate', '0kbit']],
    [['link', '0', '1', '--delay', 'long']],
    [['churn', '--session', 'short']],
    [['churn', '--keep', '7']],
  ])('exit 2 for %j and change nothing', async (words) => {
    testnet({ relay: {} })
    const { code, stdout, stderr } = await command(...words)
    expect([code, stdout]).toEqual([EXIT.usage, ''])
    expect(stderr).toContain('hearsay:')
  })

  it.each([['partition', 'halves'], ['heal'], ['link', '0', '1', '--down'], ['churn']])(
    'exit 7 where there is no testnet: %s %s',
    async (...words) => {
      expect((await command(...words)).code).toBe(EXIT.notFound)
    },
  )

  it('say what to do when the nodes are connected directly', async () => {
    testnet()
    const { code, stderr } = await command('partition', 'halves')
    expect(code).toBe(EXIT.notFound)
    expect(stderr).toContain(process.platform === 'linux' ? 'down --wipe' : 'Linux')
  })

  it('say how to start the relay when it does not run, and status says so too', async () => {
    testnet({ relay: {} })
    const { code, stderr } = await command('heal')
    expect(code).toBe(EXIT.notReady)
    expect(stderr).toContain('testnet up')
    const status = await command('status', '--json')
    expect(JSON.parse(status.stdout)).toMatchObject({ relay: { state: 'down', pid: null } })
    expect(status.stderr).toContain('no node reaches another')
  })

  it('are in the help, the relay is not', async () => {
    const { stdout } = await runCli(['testnet', '--help'])
    for (const word of ['partition', 'heal', 'link', 'churn']) expect(stdout).toContain(word)
    expect(stdout).not.toMatch(/^ *relay/m)
  })
})
