import { expect, it } from 'vitest'
import { SIZE_KEPT_MS } from '../../../src/directory/constants.ts'
import { NetworkSize } from '../../../src/directory/network-size.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

it('is at least what it was before a stop, until all can have been heard of', async () => {
  const clock = new VirtualClock(0)
  let living = 2
  const size = new NetworkSize({ clock, living: () => living })
  expect(size.now()).toBe(2)
  size.startsWith(50)
  expect(size.now()).toBe(50)
  living = 60
  expect(size.now()).toBe(60)
  living = 3
  await clock.advance(SIZE_KEPT_MS - 1)
  expect(size.now()).toBe(50)
  await clock.advance(1)
  expect(size.now()).toBe(3)
})
