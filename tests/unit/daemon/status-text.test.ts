import { describe, expect, it } from 'vitest'
import { Output } from '../../../daemon/cli/output.ts'
import { statusText } from '../../../daemon/cli/status-text.ts'
import { STATUS } from '../../../rpc/schema/examples.ts'
import type { NodeStatus } from '../../../src/node/index.ts'

const MIB = 1024 * 1024
const HOUR = 3_600_000
const DAY = 24 * HOUR
const sink = { write: () => {}, flushed: async () => {}, isTTY: false, columns: 0 }
const out = new Output({ stdout: sink, stderr: sink }, { json: false, quiet: false, color: false })

/** The lines about the disk of an example whose storage is this. */
function lines(storage: Partial<NodeStatus['storage']>): string {
  const status = { ...STATUS, storage: { ...STATUS.storage, ...storage } }
  const text = statusText(status, out, Date.parse(STATUS.since))
  const from = text.indexOf('storage')
  return text.slice(from, text.indexOf('peer id')).replaceAll(/ +/g, ' ')
}

describe('the status for a person', () => {
  it('says what boxes take of what they may', () => {
    expect(lines({ boxes: 340, boxBytes: 870_400, boxQuotaBytes: 4096 * MIB })).toContain(
      '340 boxes, about 870 kB of 4.3 GB\n',
    )
  })

  it('says when the disk has room for less, or for none', () => {
    const quota = { boxQuotaBytes: 4096 * MIB }
    expect(lines({ ...quota, boxRoomBytes: 52_000_000 })).toContain(
      'of 4.3 GB (the disk has room for 52 MB)\n',
    )
    expect(lines({ ...quota, boxRoomBytes: 0 })).toContain('(the disk is nearly full: none are')
  })

  it('names a time for boxes and events only as measured, and its caveat where it is short', () => {
    expect(lines({ retentionMs: null })).toContain('kept boxes: not measured yet')
    const whole = { retentionMs: 14 * DAY, boxLifetimeMs: 14 * DAY, eventRetentionMs: 30 * DAY }
    expect(lines(whole)).toContain('kept boxes for about 14 d, events for about 30 d\n')
    expect(lines({ retentionMs: 5 * HOUR, boxLifetimeMs: 14 * DAY })).toContain(
      'boxes for about 5 h of 14 d at the present rate, near ones for longer',
    )
  })

  it('says what an older daemon says, which has none of these numbers', () => {
    const { bytes, boxes, freeBytes, sync } = STATUS.storage
    const old = { ...STATUS, storage: { bytes, boxes, freeBytes, sync, retentionMs: null } }
    expect(statusText(old, out, Date.parse(STATUS.since))).toContain('120 boxes\n')
  })
})
