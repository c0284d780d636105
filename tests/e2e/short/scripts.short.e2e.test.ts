import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  befriend,
  eventually,
  ROOT,
  Running,
  type Testnet,
  withTestnet,
} from '../../support/e2e.ts'

const has = (program: string) => spawnSync(program, ['--version']).status === 0

function send(net: Testnet, text: string) {
  return new Running(join(ROOT, 'scripts', 'send.sh'), ['node-1', text], {
    env: { HEARSAY_HOME: net.home(0) },
  }).result
}

/** The answers that node 0 has, oldest first. */
async function answers(net: Testnet): Promise<string[]> {
  const rpc = await net.rpc(0)
  try {
    const { items } = await rpc.call('messages.list', { direction: 'in', order: 'asc' })
    return items.map(({ body }) => body.text)
  } finally {
    rpc.close()
  }
}

const bots = [
  { name: 'echo_bot.py', command: 'python3', needs: 'python3' },
  { name: 'echo-bot.ts', command: process.execPath, needs: process.execPath },
]

describe('the example scripts', () => {
  it.each(bots)('send.sh is answered once by $name, which survives being killed', async (bot) => {
    await withTestnet(2, async (net) => {
      expect(has('curl') && has(bot.needs)).toBe(true)
      await befriend(net, 0, 1)
      const start = () =>
        new Running(bot.command, [join(ROOT, 'scripts', bot.name)], {
          env: { HEARSAY_HOME: net.home(1) },
        })
      const first = start()
      await first.says('listening')
      const sent = await send(net, 'one "quoted" \\ line')
      expect(sent.stdout).toMatch(/^\S+ (delivered|read)\n$/)
      await eventually('the first answer', 60_000, async () => (await answers(net)).length === 1)
      first.child.kill('SIGKILL')
      await first.result

      expect((await send(net, 'two')).code).toBe(0)
      const second = start()
      await eventually('the second answer', 60_000, async () => (await answers(net)).length >= 2)
      second.child.kill('SIGTERM')
      await second.result
      expect(await answers(net)).toEqual(['echo: one "quoted" \\ line', 'echo: two'])
    })
  })
})
