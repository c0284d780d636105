import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromBase64Url } from '../../../src/base/index.ts'
import type { ParamsOf, ResultOf } from '../../../rpc/client/index.ts'
import { befriend, head, type Pair, startPair, untilEvent } from '../../support/rpc-node.ts'

let pair: Pair

beforeAll(async () => {
  pair = await startPair()
})

afterAll(async () => {
  await pair[Symbol.asyncDispose]()
})

const COUNT = 1_200

type MessagesPage = ResultOf<'messages.list'>

/** All pages of a list, one after another. */
async function* pages(params: ParamsOf<'messages.list'>): AsyncGenerator<MessagesPage> {
  let cursor: string | null = null
  do {
    const from: { cursor?: string } = cursor === null ? {} : { cursor }
    const page: MessagesPage = await pair.alice.client.call('messages.list', { ...params, ...from })
    yield page
    cursor = page.nextCursor
  } while (cursor !== null)
}

describe('a long history', () => {
  it('is accepted from 64 callers, each message on disk before the answer', async () => {
    const { client } = pair.alice
    const started = performance.now()
    let next = 0
    const caller = async () => {
      while (next < COUNT) {
        const i = next++
        await client.call('messages.send', { to: 'bob', body: { text: `text ${i}` } })
      }
    }
    await Promise.all(Array.from({ length: 64 }, caller))
    const rate = Math.round((COUNT * 1_000) / (performance.now() - started))
    console.log(`messages.send, 64 callers over the unix socket: ${rate} per second`)
    expect((await client.call('node.status')).outbox.queued).toBeGreaterThan(0)
  })

  it.each(['asc', 'desc', undefined] as const)(
    'is paged in order %s without gap or repetition',
    async (order) => {
      const { client } = pair.alice
      const texts: string[] = []
      const ordered = order === undefined ? {} : { order }
      for await (const { items } of pages({ contact: 'bob', limit: 97, ...ordered })) {
        texts.push(...items.map(({ body }) => body.text))
      }
      expect(texts).toHaveLength(COUNT)
      expect(new Set(texts).size).toBe(COUNT)
      const all = await client.call('messages.list', { contact: 'bob', limit: 1, order: 'asc' })
      expect(texts[order === 'asc' ? 0 : COUNT - 1]).toBe(all.items[0]?.body.text)
    },
  )

  it('and its events meet without a gap where the list ends', async () => {
    const { client } = pair.alice
    let busy = true
    const writer = (async () => {
      const ids = []
      for (let i = 0; i < 60; i++) {
        ids.push(
          (await client.call('messages.send', { to: 'bob', body: { text: `late ${i}` } }))
            .messageId,
        )
      }
      busy = false
      return ids
    })()
    const listed = new Set<string>()
    let asOfSeq: number | undefined
    for await (const page of pages({ limit: 500, order: 'asc' })) {
      // The state of a list is at least that of its first page.
      asOfSeq ??= page.asOfSeq
      for (const { messageId } of page.items) listed.add(messageId)
    }
    const ids = await writer
    expect(busy).toBe(false)
    const streams = await Promise.all(
      [0, 1].map(() => client.subscribe({ after: asOfSeq ?? 0, types: ['message.queued'] })),
    )
    for (const stream of streams) {
      const known = new Set([...listed].map((id) => JSON.stringify(id)))
      const until = await head(pair.alice)
      for await (const event of stream) {
        known.add(JSON.stringify(event.data['messageId']))
        if (ids.every((id) => known.has(JSON.stringify(id))) || event.seq >= until) break
      }
      for (const id of ids) expect(known).toContain(JSON.stringify(id))
    }
  })

  it('of large messages is cut into pages that fit an answer', async () => {
    const { alice } = pair
    const after = await head(alice)
    const text = '\u0001'.repeat(60_000)
    for (let i = 0; i < 40; i++)
      await alice.client.call('messages.send', { to: 'bob', body: { text } })
    const got: string[] = []
    for await (const { items } of pages({ limit: 500 })) {
      expect(items.length).toBeGreaterThan(0)
      const large = items.filter(({ body }) => body.text === text)
      got.push(...large.map(({ messageId }) => messageId))
    }
    expect(new Set(got).size).toBe(40)
    await alice.client.call('events.list', { after, limit: 500 })
  })
})

describe('removing a contact', () => {
  it('leaves neither its keys nor its history, names or events in the home', async () => {
    const { alice, bob } = pair
    await befriend(alice, bob, { bob: 'secret-name', alice: 'alice-2' })
    const after = await head(alice)
    await bob.client.call('messages.send', { to: 'alice-2', body: { text: 'a secret text' } })
    await untilEvent(alice, 'message.received', after)
    const sent = await alice.client.call('messages.send', {
      to: 'secret-name',
      body: { text: 'an answer' },
      idempotencyKey: 's',
    })
    const { contactId } = await alice.client.call('contacts.get', { contact: 'secret-name' })
    const waiting = alice.fails('messages.wait', {
      messageId: sent.messageId,
      state: 'read',
      timeoutMs: 20_000,
    })
    const [one, two] = await Promise.allSettled([
      alice.client.call('contacts.remove', { contact: 'secret-name', idempotencyKey: 'r' }),
      alice.client.call('contacts.remove', { contact: contactId }),
    ])
    expect([one.status, two.status].filter((status) => status === 'fulfilled')).toHaveLength(1)
    expect(await waiting.catch(() => ({ code: 'reached' }))).toMatchObject({
      code: expect.anything(),
    })
    expect((await alice.fails('messages.get', { messageId: sent.messageId })).code).toBe(1200)
    expect((await alice.fails('messages.send', { to: contactId, body: { text: 'x' } })).code).toBe(
      1100,
    )
    const { items } = await alice.client.call('events.list', { after, limit: 500 })
    const text = JSON.stringify(items)
    expect(text).not.toContain('a secret text')
    const mentions = items.filter(({ data }) => data['contactId'] === contactId)
    expect(mentions.map(({ type }) => type)).toEqual(['contact.removed'])
    expect(text).not.toContain('secret-name')

    await using restarted = await alice.restart()
    expect(
      (await restarted.client.call('contacts.list')).items.map(({ contactId: id }) => id),
    ).not.toContain(contactId)
    await restarted.stop()
    // Keys of the contact are plain on disk, so its id would be found if one of them were left.
    const needle = Buffer.from(fromBase64Url(contactId))
    for (const file of filesOf(alice.home)) {
      expect({ file, found: readFileSync(file).includes(needle) }).toEqual({ file, found: false })
    }
  })
})

function filesOf(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    return statSync(path).isDirectory() ? filesOf(path) : statSync(path).isFile() ? [path] : []
  })
}
