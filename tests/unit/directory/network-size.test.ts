import { expect, it } from 'vitest'
import { SIZE_KEPT_MS } from '../../../src/directory/constants.ts'
import { NetworkSize } from '../../../src/directory/network-size.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function made(living: number) {
  const clock = new VirtualClock(0)
  const state = { living, isLinked: true }
  const size = new NetworkSize({
    clock,
    living: () => state.living,
    isLinked: () => state.isLinked,
  })
  return { clock, size, state }
}

it('is at least what it was before a stop, until all can have been heard of', async () => {
  const { clock, size, state } = made(2)
  expect(size.now()).toBe(2)
  size.startsWith(50)
  expect(size.now()).toBe(50)
  state.living = 60
  expect(size.now()).toBe(60)
  state.living = 3
  await clock.advance(SIZE_KEPT_MS - 1)
  expect(size.now()).toBe(60)
  await clock.advance(1)
  expect(size.now()).toBe(3)
})

it('is what it was before the link broke, however long that is ago', async () => {
  const { clock, size, state } = made(50)
  size.now()
  Object.assign(state, { living: 1, isLinked: false })
  await clock.advance(10 * SIZE_KEPT_MS)
  expect(size.now()).toBe(50)
  Object.assign(state, { living: 2, isLinked: true })
  await clock.advance(SIZE_KEPT_MS - 1)
  expect(size.now()).toBe(50)
  await clock.advance(1)
  expect(size.now()).toBe(2)
})

it('is what it was before the machine slept, whose monotonic clock stood still', async () => {
  const { clock, size, state } = made(50)
  await clock.advance(30_000)
  size.now()
  state.living = 1
  await clock.advance(SIZE_KEPT_MS / 2)
  expect(size.now()).toBe(50)
})
