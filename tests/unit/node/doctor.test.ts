import { describe, expect, it } from 'vitest'
import type { NodeStatus } from '../../../src/node/index.ts'
import { diagnose } from '../../../src/node/doctor.ts'

const NETWORK = { network: { name: 'lab' } }
const OFF = { mixing: { cover: 'off' } }

function check(name: string, status: Record<string, unknown>) {
  return diagnose(status as unknown as NodeStatus, [name])[0]
}

describe('the doctor', () => {
  it('does not send somebody who is in a network to join one', () => {
    expect(check('cover', { network: null, ...OFF })?.fix).toBe('join a network')
    expect(check('cover', { ...NETWORK, ...OFF })).toMatchObject({
      ok: false,
      fix: 'it begins when there is a way through the mixes',
    })
    expect(check('cover', { ...NETWORK, mixing: { cover: 'on' } })?.fix).toBeUndefined()
  })

  it('tells a node without neighbours from one without a way', () => {
    expect(check('gossip', { link: 'joining', peers: 0 })?.detail).toBe('no gossip neighbour')
    const connected = check('gossip', { link: 'joining', peers: 4 })
    expect(connected).toMatchObject({ ok: false, fix: expect.stringContaining('clocks') })
    expect(connected?.detail).toContain('no way through the mixes')
    expect(check('gossip', { link: 'linked', peers: 4 })).toMatchObject({ ok: true })
  })

  it('has a check of the clock, with what the status says of it', () => {
    expect(check('clock', { health: [] })).toMatchObject({ ok: true })
    const entry = { code: 'CLOCK_SKEW', text: '2 hours behind', fix: 'set the clock' }
    expect(check('clock', { health: [{ code: 'NO_PEERS' }, entry] })).toEqual({
      name: 'clock',
      ok: false,
      detail: '2 hours behind',
      fix: 'set the clock',
    })
  })

  it('knows the names of its checks', () => {
    expect(check('gosip', {})).toMatchObject({ ok: false, detail: 'there is no such check' })
  })
})
