import { expect, it } from 'vitest'
import { isHearsayError, toBase64Url } from '../../../src/base/index.ts'
import { OUTBOX_RECORDS_MAX } from '../../../src/conversation/constants.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { messagesApi } from '../../../src/node/messages-api.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { ERROR_MAP, RPC_ERRORS } from '../../../rpc/errors.ts'
import { codeOf, type Device, pair } from '../../support/devices.ts'

const CALLERS = 64
const BURST = 5_000

function apiOf(device: Device) {
  const { store } = device
  const { clock } = device.air
  return messagesApi({
    store,
    clock,
    idempotency: new Idempotency({ store, running: new RunningClock({ store, clock }) }),
    conversations: () => device.conversations,
    needSpace: () => {},
    releaseHold: () => {},
  }).messages
}

it('5,000 texts at once are accepted; at the limit one more is refused without a trace, until one is taken back', async () => {
  const { alice } = await pair()
  const messages = apiOf(alice)
  const text = { to: 'friend', body: { text: 'a text' } }
  const ids: string[] = []
  const caller = async (count: number) => {
    for (let i = 0; i < count; i++) ids.push((await messages.send(text, {})).messageId)
  }
  const share = Math.ceil(BURST / CALLERS)
  await Promise.all(Array.from({ length: CALLERS }, () => caller(share)))
  expect(new Set(ids).size).toBe(CALLERS * share)
  expect(alice.conversations.depth().queued).toBe(ids.length)

  // The stream's own records take some of the room too.
  const room = OUTBOX_RECORDS_MAX - ids.length - CALLERS / 2
  await alice.commit((batch) => {
    for (let i = 0; i < room; i++) {
      alice.conversations.send(batch, { to: 'friend', text: 'more', expiresInMs: undefined })
    }
  })
  const before = alice.conversations.depth().queued
  const outcomes = await Promise.all(
    Array.from({ length: CALLERS }, () =>
      messages.send(text, {}).then(
        () => 'accepted',
        (error: unknown) => (isHearsayError(error) ? error.code : 'bug'),
      ),
    ),
  )
  const accepted = outcomes.filter((outcome) => outcome === 'accepted').length
  expect(new Set(outcomes)).toEqual(new Set(['accepted', 'quota-exceeded']))
  expect(alice.conversations.depth().queued).toBe(before + accepted)
  const head = alice.store.headSeq()
  expect(await codeOf(() => messages.send(text, {}))).toBe('quota-exceeded')
  expect(alice.store.headSeq()).toBe(head)

  await messages.cancel({ messageId: ids[0] ?? '' }, {})
  const { messageId } = await messages.send(text, {})
  const last = alice.conversations.outbox().at(-1)
  expect(last && toBase64Url(last.id)).toBe(messageId)
  expect(await codeOf(() => messages.send(text, {}))).toBe('quota-exceeded')
}, 30_000)

it('the refusal says when to try again and what to do', () => {
  const { retryable, retryAfterMs, hint } = RPC_ERRORS[ERROR_MAP['quota-exceeded']]
  expect([retryable, retryAfterMs, hint]).toEqual([true, 60_000, expect.stringContaining('outbox')])
})
