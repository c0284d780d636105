import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RpcFailure } from '../../rpc/client/index.ts'
import { befriend, eventually, hearsay, type Testnet, withTestnet } from '../support/e2e.ts'

const NODES = 5
const KILLS = 30
const KILL_EVERY_MS = 1_000
const SETTLE_MS = 240_000

/** Sends texts until told to stop; a daemon that is down is no reason to lose one: the key makes a retry safe. */
async function sendWhile(net: Testnet, from: number, to: number, going: () => boolean) {
  const accepted: string[] = []
  for (let i = 0; going(); i++) {
    const text = `${from}>${to} #${i}`
    await eventually(`${text} accepted`, 60_000, async () => {
      try {
        const rpc = await net.rpc(from)
        try {
          await rpc.call('messages.send', {
            to: `node-${to}`,
            body: { text },
            idempotencyKey: `${from}-${to}-${i}`,
          })
          return true
        } finally {
          rpc.close()
        }
      } catch (error) {
        // Down or just coming up is expected here; a refusal is not.
        if (error instanceof RpcFailure && !error.retryable) throw error
        return false
      }
    })
    accepted.push(text)
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return accepted
}

async function texts(net: Testnet, node: number): Promise<string[]> {
  const rpc = await net.rpc(node)
  try {
    const found: string[] = []
    let cursor: string | undefined
    do {
      const page = await rpc.call('messages.list', {
        direction: 'in',
        order: 'asc',
        limit: 500,
        ...(cursor === undefined ? {} : { cursor }),
      })
      found.push(...page.items.map(({ body }) => body.text))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return found
  } finally {
    rpc.close()
  }
}

/** Every event of a node, by number: 1, 2, 3 … without a hole. */
async function expectGapFree(net: Testnet, node: number): Promise<void> {
  const rpc = await net.rpc(node)
  try {
    let after = 0
    for (;;) {
      const { items, head } = await rpc.call('events.list', { after, limit: 500 })
      for (const { seq } of items) expect(seq).toBe(++after)
      if (after >= head) return
    }
  } finally {
    rpc.close()
  }
}

describe('five daemons of which one is killed every second', () => {
  it('lose nothing, duplicate nothing, and keep their event streams free of gaps', async () => {
    await withTestnet(NODES, async (net) => {
      await befriend(net, 0, 1)
      await befriend(net, 2, 3)
      let going = true
      const pairs = [
        [0, 1],
        [1, 0],
        [2, 3],
        [3, 2],
      ] as const
      const senders = pairs.map(([from, to]) => sendWhile(net, from, to, () => going))
      const ups = new Map<number, Promise<unknown>>()
      for (let i = 0; i < KILLS; i++) {
        const victim = i % NODES
        const home = net.home(victim)
        // Its last start first: what does not run cannot be killed.
        await ups.get(victim)
        process.kill(Number(readFileSync(join(home, 'daemon.pid'), 'utf8')), 'SIGKILL')
        ups.set(victim, hearsay(['up', '--home', home]))
        await new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS))
      }
      going = false
      const accepted = await Promise.all(senders)
      await Promise.all(ups.values())
      for (let i = 0; i < NODES; i++) {
        expect((await hearsay(['up', '--home', net.home(i)])).code).toBe(0)
      }
      try {
        let sent = 0
        for (const [at, [, to]] of pairs.entries()) {
          const expected = accepted[at] ?? []
          sent += expected.length
          await eventually(`all of ${expected.length} at ${to}`, SETTLE_MS, async () => {
            const have = new Set(await texts(net, to))
            return expected.every((text) => have.has(text))
          })
        }
        for (const [at, [, to]] of pairs.entries()) {
          const have = await texts(net, to)
          expect(have.toSorted(), 'each exactly once').toEqual((accepted[at] ?? []).toSorted())
          expect(have, 'in the order of sending').toEqual(accepted[at])
        }
        for (let i = 0; i < NODES; i++) await expectGapFree(net, i)
        console.log(`${sent} messages through ${KILLS} kills: 0 lost, 0 duplicated`)
      } finally {
        for (let i = 0; i < NODES; i++) await hearsay(['down', '--home', net.home(i)])
      }
    })
  }, 600_000)
})
