import { describe, expect, it } from 'vitest'
import { healthOf } from '../../../src/node/health.ts'
import type { HookProgress } from '../../../src/node/index.ts'
import type { Networks } from '../../../src/node/networks.ts'
import type { Session } from '../../../src/node/session.ts'
import { memoryDisk, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { eventKey } from '../../../src/store/journal-stage.ts'
import { storePorts } from '../../support/store-contract.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

async function complaints(store: Store, hooks: readonly HookProgress[] = [], session?: Session) {
  const ports = {
    store,
    networks: { joined: undefined } as unknown as Networks,
    state: () => 'running' as const,
    hooks: () => hooks,
  }
  const health = healthOf(ports, session, { ...(await store.space()), freeBytes: 1e12 })
  return new Map(health.map((entry) => [entry.code, entry]))
}

/** A session of a node that is not linked; a number for how far its clock is off. */
function unlinked({ peers, skewMs }: { readonly peers: number; readonly skewMs?: number }) {
  const connected = Array.from({ length: peers }, () => new Uint8Array(32))
  return {
    shownLink: 'joining',
    directory: {
      clockSkew: skewMs === undefined ? undefined : { ms: skewMs, atLeast: false },
      nodes: () => connected,
    },
    net: {
      status: () => ({ networkMismatch: false, hindrance: undefined, known: peers }),
      peers: { connected: () => connected },
    },
    mix: { holdLeftMs: () => 0 },
    conversations: { audited: () => ({ of: 0, lost: 0 }) },
    mailbox: { failingKeepers: 0 },
  } as unknown as Session
}

async function append(store: Store, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await store.batch().append({ type: 'x.y', data: {} }).commit()
}

describe('the status', () => {
  it('names a consumer that was away for longer than events are kept, until it goes on', async () => {
    const store = await openMemoryStore(storePorts)
    await store.consumers.create('slow', { from: 'start' })
    await store.consumers.create('fast', { from: 'start' })
    await store.consumers.create('hook:of-the-daemon', { from: 'start' })
    await append(store, 9)
    await store.consumers.ack('fast', 9)
    expect((await complaints(store)).has('EVENTS_MISSED')).toBe(false)
    await store.retain({ dropUpTo: 5 })
    const missed = (await complaints(store)).get('EVENTS_MISSED')
    expect(missed?.text).toBe('5 events that the consumer "slow" has not had are no longer kept')
    expect(missed?.fix).toContain('hearsay events ack slow 5')
    await store.consumers.ack('slow', 5)
    expect((await complaints(store)).has('EVENTS_MISSED')).toBe(false)
    expect((await (await store.feed({ consumer: 'slow' })).next(1))[0]?.seq).toBe(6)
  })

  it('says what a hook has missed, when that was found and how to take note, until then', async () => {
    const clock = new VirtualClock()
    const store = await openMemoryStore({ ...storePorts, clock })
    await store.consumers.create('hook:diary', { from: 'start' })
    await append(store, 9)
    const progress = { cursor: 0, behind: 0, failures: 0, nextTryAt: null, lastError: null }
    const hook = { ...progress, name: 'diary', consumer: 'hook:diary', state: 'off' } as const
    expect((await complaints(store, [hook])).has('HOOK_MISSED')).toBe(false)
    await store.consumers.ack('hook:diary', 5, 2)
    const missed = (await complaints(store, [hook])).get('HOOK_MISSED')
    expect(missed?.text).toMatch(/^2 events that the hook "diary" may have wanted are gone/)
    expect(missed?.text).toContain(new Date(clock.now()).toISOString())
    expect(missed?.fix).toContain('hearsay hooks ack diary')
    await store.consumers.forgetLosses('hook:diary')
    expect((await complaints(store, [hook])).has('HOOK_MISSED')).toBe(false)
  })

  it('counts events that the disk has changed once a reader has passed them', async () => {
    const disk = memoryDisk()
    const store = await openMemoryStore(storePorts, { disk })
    await append(store, 3)
    await disk.engine.write([{ type: 'del', key: eventKey(2) }])
    await store.journal.events(0, 9)
    await store.journal.events(1, 9, ['x.y'])
    expect((await complaints(store)).get('VALUES_DAMAGED')?.text).toMatch(/^1 stored values/)
  })

  it('names the clock in place of a way that is missing for its sake, and beside peers that are', async () => {
    const store = await openMemoryStore(storePorts)
    const codesOf = async (session: Session) => [...(await complaints(store, [], session)).keys()]
    expect(await codesOf(unlinked({ peers: 2 }))).toContain('NO_ROUTE')
    const connected = await codesOf(unlinked({ peers: 2, skewMs: 7_200_000 }))
    expect(connected).toContain('CLOCK_SKEW')
    expect(connected).not.toContain('NO_ROUTE')
    const alone = await codesOf(unlinked({ peers: 0, skewMs: -7_200_000 }))
    expect(alone.slice(0, 2)).toEqual(['CLOCK_SKEW', 'NO_PEERS'])
  })
})
