import { beforeEach, describe, expect, it } from 'vitest'
import { fromBase64Url, HearsayError, toBase64Url } from '../../../src/base/index.ts'
import { hash, LABELS } from '../../../src/crypto/index.ts'
import type { JournalEvent, Store } from '../../../src/store/index.ts'
import { type Sent, Watcher } from '../../sim/faults/watcher.ts'

/** A node's journal, as far as the watcher reads it. */
class FakeStore {
  readonly epoch = 'epoch'
  readonly events: JournalEvent[] = []
  /** Number of the first event that is kept. */
  oldest = 1
  #hear: () => void = () => undefined

  headSeq(): number {
    return this.events.length
  }

  readonly journal = {
    onAppend: (hear: () => void) => {
      this.#hear = hear
    },
    oldestSeq: () => this.oldest,
    events: async (after: number, limit: number) => {
      if (after < this.oldest - 1) throw new HearsayError('cursor-too-old', 'no longer kept')
      return { events: this.events.slice(after, after + limit) }
    },
  }

  async append(type: string, data: Record<string, unknown>): Promise<void> {
    const seq = this.events.length + 1
    const event = { seq, epoch: this.epoch, id: `${seq}`, type, time: 0, data, prev: '' }
    this.events.push(event as unknown as JournalEvent)
    this.#hear()
    // The reading of an event is a chain of a few promises.
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
}

/** Alice, as bob's contact. */
const ALICE = new Uint8Array(32).fill(7)

let watcher: Watcher
let alice: FakeStore
let bob: FakeStore
let made = 0

beforeEach(async () => {
  watcher = new Watcher()
  ;[alice, bob] = [new FakeStore(), new FakeStore()]
  await watcher.follow('alice', alice as unknown as Store, () => true)
  await watcher.follow('bob', bob as unknown as Store, () => true)
})

const idOf = (number: number) => new Uint8Array(16).fill(number)

/** Alice's text to bob, of which no journal knows. */
function asked(mayExpire: boolean): Sent {
  return watcher.asked({
    from: 'alice',
    to: 'bob',
    text: `text ${++made}`,
    id: idOf(made),
    mayExpire,
  })
}

/** The same, accepted. */
async function accepted(mayExpire = false): Promise<Sent> {
  const sent = asked(mayExpire)
  await alice.append('message.queued', { messageId: sent.id })
  sent.accepted = true
  return sent
}

/** It got no answer, and is a message once more. */
function askedAgain(text: string): Sent {
  return watcher.asked({ from: 'alice', to: 'bob', text, id: idOf(++made), mayExpire: false })
}

const told = (state: string, { id }: Sent) => alice.append(`message.${state}`, { messageId: id })
/** Bob's journal has it: `id` is that of the message that came, by default of the text itself. */
const came = ({ text, id }: Sent, idCame = id) => {
  const messageId = hash(LABELS.messageRef, ALICE, fromBase64Url(idCame)).slice(0, 16)
  const ids = { messageId: toBase64Url(messageId), contactId: toBase64Url(ALICE) }
  return bob.append('message.received', { ...ids, alias: 'alice', body: { text } })
}

describe('the watcher of a simulation', () => {
  it('finds nothing when all that was accepted comes once and in order', async () => {
    for (let i = 0; i < 3; i++) {
      const sent = await accepted()
      await came(sent)
      await told('delivered', sent)
    }
    watcher.closeSent()
    expect(watcher.violations).toEqual([])
    expect(watcher.isSettled()).toBe(true)
  })

  it.each([
    [
      'comes twice',
      'came 2 times',
      async () => {
        const sent = await accepted()
        await came(sent)
        await came(sent)
      },
    ],
    [
      'comes after a later one',
      'came after number 2',
      async () => {
        const [first, second] = [await accepted(), await accepted()]
        await came(second)
        await came(first)
      },
    ],
    [
      'comes after a later one, and was written after a gap was told',
      'came after number 3',
      async () => {
        await accepted()
        await bob.append('message.gap', { alias: 'alice', missing: 1 })
        const [second, third] = [await accepted(), await accepted()]
        await came(third)
        await came(second)
      },
    ],
    [
      'expires though nothing was in its way',
      'expired',
      async () => {
        await told('expired', await accepted())
      },
    ],
    [
      'fails',
      'failed',
      async () => {
        await told('failed', await accepted(true))
      },
    ],
    [
      'is delivered and is not there',
      'its reader does not have it',
      async () => {
        await told('delivered', await accepted())
      },
    ],
    [
      'has no end',
      'still queued',
      async () => {
        await accepted()
      },
    ],
    [
      'is accepted and in no journal',
      'accepted, and forgotten',
      async () => {
        asked(false).accepted = true
      },
    ],
    [
      'is made twice of one key',
      'one key made 2 messages',
      async () => {
        const { text } = await accepted()
        await told('queued', askedAgain(text))
      },
    ],
    [
      'comes though it was asked for again, and the first try is nowhere on disk',
      'its sender has none',
      async () => {
        const first = asked(false)
        await told('queued', askedAgain(first.text))
        await came(first)
      },
    ],
    [
      'comes under an id that nobody gave it',
      'came as another message',
      async () => {
        await came(await accepted(), toBase64Url(idOf(99)))
      },
    ],
    [
      'is answered as another',
      'which is not its text',
      async () => {
        const [{ text }, { id }] = [await accepted(), await accepted()]
        watcher.answered(text, id)
      },
    ],
    [
      'comes though its sender has none',
      'its sender has none',
      async () => {
        await came(asked(false))
      },
    ],
    [
      'changes after its end',
      'sent after delivered',
      async () => {
        const sent = await accepted()
        await came(sent)
        await told('delivered', sent)
        await told('sent', sent)
      },
    ],
  ])('finds a text that %s', async (_, what, happen) => {
    await happen()
    watcher.closeSent()
    expect(watcher.violations.join(' ')).toContain(what)
  })

  it('lets a text come late that a gap was told of, and one expire whose sender cannot know the time', async () => {
    const [first, second] = [await accepted(), await accepted()]
    await bob.append('message.gap', { alias: 'alice', missing: 1 })
    for (const sent of [second, first]) {
      await came(sent)
      await told('delivered', sent)
    }
    await told('expired', await accepted(true))
    watcher.closeSent()
    expect(watcher.violations).toEqual([])
  })

  it('compares what the retention has left', async () => {
    const again = () => watcher.compare('alice', alice as unknown as Store)
    await accepted()
    await accepted()
    alice.oldest = 2
    await again()
    expect(watcher.violations).toEqual([])
    alice.events[1] = { ...alice.events[1], id: 'another' } as JournalEvent
    await again()
    expect(watcher.violations).toEqual(['alice: event 2 has changed'])
  })
})
