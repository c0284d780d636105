import { expect, it } from 'vitest'
import { SEALED_FETCH_ANSWER_BYTES, SEALED_FETCH_BYTES } from '../../../src/mailbox/constants.ts'
import { SEALED_ANSWER_BYTES, SEALED_REQUEST_BYTES } from '../../../src/mix/constants.ts'

it('what the mix carries to a keeper and back is as long as what the mailbox seals', () => {
  expect(SEALED_REQUEST_BYTES).toBe(SEALED_FETCH_BYTES)
  expect(SEALED_ANSWER_BYTES).toBe(SEALED_FETCH_ANSWER_BYTES)
})
