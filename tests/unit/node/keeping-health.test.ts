import { expect, it } from 'vitest'
import { keepingHealth } from '../../../src/node/keeping-health.ts'

it('the owner hears when most boxes are kept by nobody, and when keepers lack what others have', () => {
  const codes = (of: number, lost: number, failingKeepers = 0) =>
    keepingHealth({ audited: { of, lost }, failingKeepers }).map(({ code }) => code)
  expect(codes(0, 0)).toEqual([])
  expect(codes(7, 7)).toEqual([])
  expect(codes(8, 4)).toEqual([])
  expect(codes(8, 5)).toEqual(['BOXES_NOT_KEPT'])
  expect(codes(32, 0, 1)).toEqual(['KEEPERS_FAILING'])
  const [entry] = keepingHealth({ audited: { of: 32, lost: 20 }, failingKeepers: 0 })
  expect(entry?.text).toContain('20 of the last 32')
})
