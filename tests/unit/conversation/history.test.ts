import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/index.ts'
import { History } from '../../../src/conversation/history.ts'
import type { Message } from '../../../src/conversation/message.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const NOW = Date.UTC(2026, 10, 22)

async function filled(count: number) {
  const rng = seededRng('history')
  const clock = new VirtualClock(NOW)
  const store = await openMemoryStore({ clock, rng, log: silentLogger })
  const history = new History({ store })
  const contactId = rng.bytes(16)
  const batch = store.batch()
  const messages = Array.from(
    { length: count },
    (_, i): Message => ({
      number: history.allocate(),
      id: rng.bytes(16),
      contactId,
      direction: 'out',
      text: `text ${i}`,
      sentAt: NOW,
      receivedAt: undefined,
      read: true,
      state: 'queued',
      history: [{ state: 'queued', at: NOW }],
    }),
  )
  for (const message of messages) history.add(batch, message)
  await batch.commit()
  const among = async (numbers: Iterable<number>) => {
    const found: Message[] = []
    for await (const message of history.among(new Set(numbers))) found.push(message)
    return found
  }
  return { store, messages, among }
}

describe('history', () => {
  it('finds the wanted messages in order, whether they lie close together or far apart', async () => {
    const { store, messages, among } = await filled(1_200)
    const wanted = {
      all: () => true,
      none: () => false,
      'every second': ({ number }: Message) => number % 2 === 0,
      'every hundredth': ({ number }: Message) => number % 100 === 7,
      'first and last': ({ number }: Message) => number === 1 || number === 1_200,
      'a few, then none, then many': ({ number }: Message) => number < 5 || number > 900,
    }
    for (const [name, isWanted] of Object.entries(wanted)) {
      const expected = messages.filter(isWanted)
      const numbers = expected.map(({ number }) => number).toReversed()
      expect({ name, found: await among(numbers) }).toEqual({ name, found: expected })
    }
    await store.close()
  })

  it('passes over messages that are not there', async () => {
    const { store, messages, among } = await filled(3)
    expect(await among([2, 3, 4, 5])).toEqual(messages.slice(1))
    expect(await among([1, 1_000, 5_000_000])).toEqual(messages.slice(0, 1))
    await store.close()
  })
})
