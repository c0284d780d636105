import { expect, it } from 'vitest'
import { replyHealth } from '../../../src/node/reply-health.ts'

it('the owner hears of lost replies when half are lost, and otherwise when real messages wait', () => {
  const code = (state: 'on' | 'hold' | 'few-replies', replyRate: number | undefined) =>
    replyHealth({ state, replyRate })?.code
  expect(code('on', undefined)).toBeUndefined()
  expect(code('on', 1)).toBeUndefined()
  expect(code('on', 0.5)).toBeUndefined()
  expect(code('on', 0.49)).toBe('REPLIES_LOST')
  expect(code('hold', 0.2)).toBe('REPLIES_LOST')
  expect(code('few-replies', 0.04)).toBe('FEW_REPLIES')
  expect(replyHealth({ state: 'on', replyRate: 0.254 })?.text).toContain('25 %')
})
