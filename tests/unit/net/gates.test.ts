import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { DialGuard } from '../../../src/net/dial-guard.ts'
import { InboundGate } from '../../../src/net/inbound-gate.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const to = (host: string) => multiaddr(`/${host}/tcp/6379`)

describe('dialling addresses that strangers wrote', () => {
  it.each([
    'ip4/127.0.0.1',
    'ip4/127.9.0.1',
    'ip6/::1',
    'ip6/::ffff:127.0.0.1',
    'dns4/localhost',
    'dns/a.localhost',
    'ip4/0.0.0.0',
    'ip4/169.254.169.254',
    'ip4/224.0.0.1',
    'ip4/255.255.255.255',
    'ip6/::',
    'ip6/fe80::1',
    'ip6/ff02::1',
  ])('does not knock at %s', (host) => {
    const guard = new DialGuard({ clock: new VirtualClock() }, { allowLoopback: false })
    expect(guard.refuses(to(host))).toBe(true)
  })

  it.each(['ip4/192.0.2.7', 'ip4/10.0.0.7', 'ip6/2001:db8::1', 'dns4/node.example'])(
    'goes to %s',
    (host) => {
      const guard = new DialGuard({ clock: new VirtualClock() }, { allowLoopback: false })
      expect(guard.refuses(to(host))).toBe(false)
    },
  )

  it('goes to loopback in a network on one machine', () => {
    const guard = new DialGuard({ clock: new VirtualClock() }, { allowLoopback: true })
    expect(guard.refuses(to('ip4/127.3.0.1'))).toBe(false)
    expect(guard.refuses(to('ip4/169.254.169.254'))).toBe(true)
  })

  it('knocks at one host at a bounded rate, however many nodes claim to be there', async () => {
    const clock = new VirtualClock()
    const guard = new DialGuard({ clock }, { allowLoopback: false })
    let dials = 0
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 50; i++) if (!guard.refuses(to('ip4/192.0.2.7'))) dials++
      await clock.advance(1_000)
    }
    expect(dials).toBeLessThan(64 + 120 + 1)
    expect(guard.refuses(to('ip4/192.0.2.8'))).toBe(false)
  })
})

describe('connections that come in', () => {
  it('are few for one peer, and for strangers half of all places', () => {
    const open: string[] = []
    const gate = new InboundGate(
      { connections: () => open, isKnown: (peerId) => peerId.startsWith('known') },
      { maxConnections: 20 },
    )
    const connect = (peerId: string) => {
      if (gate.refuses(peerId)) return false
      open.push(peerId)
      return true
    }
    expect([1, 2, 3, 4, 5].map(() => connect('known 0'))).toEqual([true, true, true, true, false])
    const strangers = Array.from({ length: 15 }, (_, i) => connect(`stranger ${i}`))
    expect(strangers.filter(Boolean)).toHaveLength(10)
    expect(connect('known 1')).toBe(true)
  })
})
