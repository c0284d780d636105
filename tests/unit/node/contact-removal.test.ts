import { expect, it } from 'vitest'
import { contactsApi } from '../../../src/node/contacts-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { codeOf, pair } from '../../support/devices.ts'

it('a contact is not removed from a memory that is over: the node that came back meanwhile would write it anew', async () => {
  const { alice, bob } = await pair()
  const { store } = alice
  const { clock } = alice.air
  let current = alice.conversations
  const idempotency = new Idempotency({ store, clock })
  const contacts = contactsApi({
    store,
    idempotency,
    conversations: () => {
      const found = current
      // Any other memory stands for that of the node that was built anew.
      current = bob.conversations
      return found
    },
  })
  expect(await codeOf(() => contacts.remove({ contact: 'friend' }, {}))).toBe('not-running')
  expect(alice.phase()).toBe('ready')
  let cards = 0
  for await (const _ of store.iterate(BUCKETS.contacts)) cards++
  expect(cards).toBe(1)
})
