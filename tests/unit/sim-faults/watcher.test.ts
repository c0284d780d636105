import { beforeEach, describe, expect, it } from 'vitest'
import type { JournalEvent, Store } from '../../../src/store/index.ts'
import { type Sent, Watcher } from '../../sim/faults/watcher.ts'

/** A node's journal, as far as the watcher reads it. */
class FakeStore {
  readonly epoch = 'epoch'
  readonly events: JournalEvent[] = []
  #hear: () => void = () => undefined

  headSeq(): number {
    return this.events.length
  }

  readonly journal = {
    onAppend: (hear: () => void) => {
      this.#hear = hear
    },
    events: async (after: number, limit: number) => ({
      events: this.events.slice(after, after + limit),
    }),
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

/** Alice's text to bob, of which no journal knows. */
function asked(mayExpire: boolean): Sent {
  const id = Uint8Array.of(++made)
  return watcher.asked({ from: 'alice', to: 'bob', text: `text ${made}`, id, mayExpire })
}

/** The same, accepted. */
async function accepted(mayExpire = false): Promise<Sent> {
  const sent = asked(mayExpire)
  await alice.append('message.queued', { messageId: sent.id })
  sent.accepted = true
  return sent
}

const told = (state: string, { id }: Sent) => alice.append(`message.${state}`, { messageId: id })
const came = ({ text }: Sent) => bob.append('message.received', { alias: 'alice', body: { text } })

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
        const id = Uint8Array.of(++made)
        const again = watcher.asked({ from: 'alice', to: 'bob', text, id, mayExpire: false })
        await told('queued', again)
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
})
