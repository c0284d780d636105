import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { befriend, eventually, ROOT, Running, withTestnet } from '../support/e2e.ts'

const AWAY_MS = 60_000
const TEXTS = 60

it('the Python bot, killed for 60 s while a text comes each second, answers every one exactly once', async () => {
  expect(spawnSync('python3', ['--version']).status, 'python3 is missing').toBe(0)
  await withTestnet(2, async (net) => {
    await befriend(net, 0, 1)
    const bot = () =>
      new Running('python3', [join(ROOT, 'scripts', 'echo_bot.py')], {
        env: { HEARSAY_HOME: net.home(1) },
        timeoutMs: 300_000,
      })
    const first = bot()
    await first.says('listening')
    const rpc = await net.rpc(0)
    await rpc.call('messages.send', { to: 'node-1', body: { text: 'text 0' } })
    const answers = async () => {
      const { items } = await rpc.call('messages.list', {
        direction: 'in',
        order: 'asc',
        limit: 500,
      })
      return items.map(({ body }) => body.text)
    }
    await eventually('the first answer', 60_000, async () => (await answers()).length === 1)
    first.child.kill('SIGKILL')
    await first.result

    const begin = performance.now()
    for (let i = 1; i <= TEXTS; i++) {
      await rpc.call('messages.send', { to: 'node-1', body: { text: `text ${i}` } })
      const left = begin + (i * AWAY_MS) / TEXTS - performance.now()
      await new Promise((resolve) => setTimeout(resolve, left))
    }
    const second = bot()
    const expected = Array.from({ length: TEXTS + 1 }, (_, i) => `echo: text ${i}`)
    await eventually('all answers', 120_000, async () => (await answers()).length > TEXTS)
    expect(await answers()).toEqual(expected)
    second.child.kill('SIGTERM')
    await second.result
    rpc.close()
  })
})
