import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REGISTRY } from '../../../rpc/index.ts'
import { badParams } from '../../support/bad-params.ts'
import { LineClient } from '../../support/rpc-harness.ts'
import { head, RpcNode } from '../../support/rpc-node.ts'

const NOBODY = 'AAAAAAAAAAAAAAAAAAAAAA'
const STRANGER = '12D3KooWLmJ8vPt1ctAdtFfs3QTVeafmTET6tQEUUG2itJRFcc3e'

/** Params that fit and name nothing that exists; methods that change the network are left out. */
const UNKNOWN: Readonly<Record<string, object>> = {
  'contacts.inviteCancel': { inviteId: NOBODY },
  'contacts.add': { uri: 'hearsay:invite/AAAA', alias: 'x' },
  'contacts.get': { contact: 'nobody' },
  'contacts.rename': { contact: 'nobody', alias: 'x' },
  'contacts.verify': { contact: 'nobody', safetyNumber: '0'.repeat(60) },
  'contacts.remove': { contact: 'nobody' },
  'messages.send': { to: 'nobody', body: { text: 'x' } },
  'messages.get': { messageId: NOBODY },
  'messages.list': { contact: 'nobody' },
  'messages.wait': { messageId: NOBODY, state: 'sent', timeoutMs: 0 },
  'messages.cancel': { messageId: NOBODY },
  'messages.markRead': { messageIds: [NOBODY] },
  'events.ack': { consumer: 'nobody', seq: 0 },
  'events.consumers.delete': { name: 'nobody' },
  'events.subscribe': { consumer: 'nobody' },
  'events.unsubscribe': { subscription: 's-99' },
  'hooks.ack': { hook: 'nobody' },
  'network.inspect': { uri: 'hearsay:join/AAAA' },
  'network.join': { uri: 'hearsay:join/AAAA' },
}

const NEED_A_NETWORK = [
  'contacts.invite',
  'contacts.list',
  'messages.list',
  'outbox.list',
  'network.get',
  'network.leave',
  'network.invite',
]

/** Everything that a refused call must not have changed. */
async function stateOf(node: RpcNode) {
  const { client } = node
  const { network } = await client.call('node.status')
  const { items } = await client.call('events.consumers.list')
  const contacts = network === null ? [] : (await client.call('contacts.list')).items
  const banned = (await client.call('peers.list')).items.filter((peer) => peer.banned)
  return { head: await head(node), network: network?.networkId, items, contacts, banned }
}

function documented(method: string): string[] {
  return [...(REGISTRY.get(method)?.errors ?? []), 'INVALID_PARAMS']
}

describe('a real node', () => {
  it('answers every method before it has joined a network, or says what is missing', async () => {
    await using node = await RpcNode.start()
    const { client } = node
    expect(await client.call('node.status')).toMatchObject({ state: 'running', link: 'none' })
    expect((await client.call('node.doctor', {})).checks.length).toBeGreaterThan(3)
    expect(await client.call('node.wait', { for: 'ready' })).toMatchObject({ state: 'running' })
    const late = await node.fails('node.wait', { for: 'linked', timeoutMs: 0 })
    expect(late).toMatchObject({ code: 1011, message: expect.stringContaining('no network') })
    await client.call('identity.get')
    await client.call('rpc.discover')
    await client.call('rpc.version')
    await client.call('rpc.ping', { nonce: 'x' })
    await client.call('db.stats')
    expect(await client.call('db.check')).toMatchObject({ ok: true, damaged: [] })
    const path = join(node.home, 'one.backup')
    const backup = await client.call('db.backup', { path })
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')
    expect(backup).toMatchObject({ path, withKey: false, sha256 })
    expect(await node.fails('db.backup', { path })).toMatchObject({ code: -32602 })
    expect(await node.fails('db.backup', { path: 'relative' })).toMatchObject({ code: -32602 })
    await client.call('config.get', {})
    await client.call('config.set', { key: 'log.level', value: 'info' })
    await client.call('peers.list')
    await client.call('events.list', { after: 0 })
    await client.call('events.wait', { after: 0, timeoutMs: 0 })
    await client.call('events.consumers.create', { name: 'bot' })
    await client.call('events.subscribe', { consumer: 'bot' })
    await client.call('events.unsubscribe', { subscription: 's-1' })
    await client.call('events.ack', { consumer: 'bot', seq: 0 })
    await client.call('events.consumers.delete', { name: 'bot' })
    for (const method of NEED_A_NETWORK) {
      const { code, data } = await node.fails(method)
      expect({ method, code, hint: typeof data['hint'] }).toEqual({
        method,
        code: 1306,
        hint: 'string',
      })
      expect(documented(method)).toContain('NOT_JOINED')
    }
  })

  it.each([false, true])(
    'names unknown things with a documented error (joined: %s)',
    async (joined) => {
      await using node = await RpcNode.start()
      if (joined) await node.client.call('network.create', { name: 'lab', preset: 'swift' })
      const before = await stateOf(node)
      for (const [method, params] of Object.entries(UNKNOWN)) {
        const { data, message } = await node.fails(method, params)
        expect({ method, documented: documented(method) }).toMatchObject({
          method,
          documented: expect.arrayContaining([data['name']]),
        })
        expect({ method, hint: data['hint'] }).not.toMatchObject({ hint: undefined })
        expect(message.length).toBeGreaterThan(8)
      }
      expect(await stateOf(node)).toEqual(before)
    },
  )

  it('changes nothing for any params that do not fit, joined or not', async () => {
    await using node = await RpcNode.start()
    using line = new LineClient(node.socket)
    for (const joined of [false, true]) {
      if (joined) await node.client.call('network.create', { name: 'lab', preset: 'swift' })
      const before = await stateOf(node)
      for (const method of REGISTRY.keys()) {
        for (const { fault, text } of badParams(method)) {
          line.write(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${text}}\n`)
          const [reply] = await line.take(1)
          expect({ method, fault, code: reply?.error?.code }).toEqual({
            method,
            fault,
            code: -32602,
          })
        }
      }
      expect(await stateOf(node)).toEqual(before)
    }
    expect(node.log.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('refuses values that fit the schema and no node could mean, with the place of the fault', async () => {
    await using node = await RpcNode.start()
    await node.client.call('network.create', { name: 'lab', preset: 'swift' })
    const before = await stateOf(node)
    const cases: [string, object, string][] = [
      ['contacts.invite', { ttl: '1s' }, ''],
      ['contacts.invite', { ttl: '400d' }, ''],
      ['contacts.invite', { label: 'é'.repeat(60) }, ''],
      ['contacts.invite', { label: ' x' }, ''],
      ['contacts.list', { cursor: 'AAAA' }, ''],
      ['messages.list', { cursor: '____' }, ''],
      ['messages.list', { cursor: Buffer.from('1e999').toString('base64url') }, ''],
      ['messages.list', { cursor: Buffer.from('-1').toString('base64url') }, ''],
      ['outbox.list', { cursor: 'zz' }, ''],
      ['peers.list', { cursor: 'zz' }, ''],
      ['peers.ban', { peerId: '1'.repeat(52) }, 'peerId'],
      ['peers.ban', { peerId: (await node.client.call('identity.get')).peerId }, 'peerId'],
      [
        'network.create',
        { name: 'x', join: false, parameters: { slotMs: 0 } },
        'parameters.slotMs',
      ],
      [
        'network.create',
        { name: 'x', join: false, parameters: { slotMs: 'x' } },
        'parameters.slotMs',
      ],
      ['network.create', { name: 'x', join: false, parameters: { nope: 1 } }, 'parameters.nope'],
      [
        'network.create',
        { name: 'x', join: false, parameters: { preset: 'y' } },
        'parameters.preset',
      ],
      ['network.create', { name: 'x', join: false, announce: ['/nope'] }, 'announce'],
      [
        'network.create',
        { name: 'x', join: false, announce: ['/ip4/999.0.0.1/tcp/1'] },
        'announce',
      ],
    ]
    for (const [method, params, path] of cases) {
      const { code, data } = await node.fails(method, params)
      expect({ method, params, code, issues: data['issues'] }).toEqual({
        method,
        params,
        code: -32602,
        issues: [{ path, message: expect.any(String) }],
      })
    }
    expect(await stateOf(node)).toEqual(before)
  })

  it('says what is wrong with a network file without repeating it', async () => {
    await using node = await RpcNode.start()
    const { uri } = await node.client.call('network.create', { name: 'lab', join: false })
    for (const bad of [
      uri.slice(0, -3),
      uri.slice(0, 40) + (uri[40] === 'A' ? 'B' : 'A') + uri.slice(41),
      'hearsay:join/',
      'x'.repeat(8_000),
    ]) {
      const { code, data, message } = await node.fails('network.inspect', { uri: bad })
      expect({ code, fault: typeof data['fault'] }).toEqual({ code: 1300, fault: 'string' })
      expect(JSON.stringify({ data, message })).not.toContain(bad.slice(13, 40) || 'nothing')
    }
  })

  it('bans for good, lists what it banned, lifts a ban, and remembers both', async () => {
    await using first = await RpcNode.start()
    await first.client.call('peers.ban', { peerId: STRANGER })
    const bannedIn = async (node: RpcNode) =>
      (await node.client.call('peers.list')).items.filter(({ banned }) => banned)
    expect(await bannedIn(first)).toMatchObject([{ peerId: STRANGER, connected: false }])
    await using second = await first.restart()
    expect(await bannedIn(second)).toMatchObject([{ peerId: STRANGER }])
    await second.client.call('peers.ban', { peerId: STRANGER, ttl: '1ms' })
    await expect.poll(() => bannedIn(second)).toEqual([])
    await using third = await second.restart()
    expect(await bannedIn(third)).toEqual([])
  })

  it('stops while clients wait and subscribe, and tells each of them', async () => {
    await using node = await RpcNode.start()
    await node.client.call('network.create', { name: 'lab', preset: 'swift' })
    const stream = await node.client.subscribe({})
    const ended = (async () => {
      for await (const _ of stream) expect.unreachable()
    })()
    const waits = [
      node.fails('node.wait', { for: 'linked' }),
      node.fails('events.wait', { after: await head(node) }),
    ]
    const outcome = Promise.allSettled([ended, ...waits])
    const asked = new Promise<void>((resolve) => node.node.onStopRequested(resolve))
    await node.client.call('node.stop', {})
    await asked
    await Promise.all([node.server.stop().then(() => node.node.stop()), node.node.stop()])
    const [subscription, ...others] = await outcome
    expect(subscription).toMatchObject({ status: 'rejected', reason: { code: 1004 } })
    for (const other of others) {
      expect(other).toMatchObject({ status: 'fulfilled', value: { code: 1004 } })
    }
    expect(node.log.filter(({ level }) => level === 'error')).toEqual([])
  })
})
