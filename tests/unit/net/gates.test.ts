import type { PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { asNodeId, type NodeId, toHex } from '../../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  INBOUND_PER_HOST_BURST,
  INBOUND_PER_HOST_PER_SECOND,
  MAX_STRANGERS_PER_HOST,
} from '../../../src/net/constants.ts'
import { DialGuard } from '../../../src/net/dial-guard.ts'
import { InboundGate } from '../../../src/net/inbound-gate.ts'
import { peerIdOf } from '../../../src/net/node-id.ts'
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
    'dns4/node.example',
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

  it.each(['ip4/192.0.2.7', 'ip4/10.0.0.7', 'ip6/2001:db8::1'])('goes to %s', (host) => {
    const guard = new DialGuard({ clock: new VirtualClock() }, { allowLoopback: false })
    expect(guard.refuses(to(host))).toBe(false)
  })

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

const nodes = Array.from({ length: 80 }, (_, i) =>
  asNodeId(signKeyPairFromSeed(new Uint8Array(32).fill(i)).publicKey),
)

/** Nodes 0 to 9 are known. */
function inbound(maxConnections: number) {
  const clock = new VirtualClock()
  const open: { remotePeer: PeerId; remoteAddr: Multiaddr }[] = []
  const known = new Set(nodes.slice(0, 10).map(toHex))
  const gate = new InboundGate(
    { clock, connections: () => open, isKnown: (node) => known.has(toHex(node)) },
    { maxConnections },
  )
  const connect = (index: number, host: string) => {
    const [node, remoteAddr] = [nodes[index] as NodeId, to(host)]
    if (gate.refuses(node, remoteAddr)) return false
    open.push({ remotePeer: peerIdOf(node), remoteAddr })
    return true
  }
  return { clock, gate, connect }
}

describe('connections that come in', () => {
  it('are few for one peer, and for strangers half of all places', () => {
    const { connect } = inbound(20)
    const same = [1, 2, 3, 4, 5].map(() => connect(0, 'ip4/192.0.2.1'))
    expect(same).toEqual([true, true, true, true, false])
    const strangers = Array.from({ length: 15 }, (_, i) => connect(10 + i, `ip4/192.0.2.${i}`))
    expect(strangers.filter(Boolean)).toHaveLength(10)
    expect(connect(1, 'ip4/192.0.2.1')).toBe(true)
  })

  it.each([
    ['one address', () => 'ip4/192.0.2.1'],
    ['one IPv6 network of many addresses', (i: number) => `ip6/2001:db8:1:2:${i + 1}::${i + 1}`],
  ])('of strangers are few from %s, and none the fewer for others', (_name, host) => {
    const { connect } = inbound(768)
    const strangers = Array.from({ length: 60 }, (_, i) => connect(10 + i, host(i)))
    expect(strangers.filter(Boolean)).toHaveLength(MAX_STRANGERS_PER_HOST)
    expect(connect(70, 'ip4/192.0.2.2')).toBe(true)
    expect(connect(0, host(0))).toBe(true)
  })

  it('are opened at a bounded rate from one host, before it has said anything', async () => {
    const { clock, gate } = inbound(768)
    let opened = 0
    for (let second = 0; second < 30; second++) {
      for (let i = 0; i < 100; i++) {
        if (!gate.refusesHost(to(`ip6/2001:db8:1:2:${i}::1`))) opened++
      }
      await clock.advance(1_000)
    }
    expect(opened).toBeLessThanOrEqual(INBOUND_PER_HOST_BURST + 30 * INBOUND_PER_HOST_PER_SECOND)
    expect(opened).toBeGreaterThan(29 * INBOUND_PER_HOST_PER_SECOND)
    expect(gate.refusesHost(to('ip6/2001:db8:1:3::1'))).toBe(false)
  })

  it('are not counted by host where all nodes are on one machine', () => {
    const { gate, connect } = inbound(768)
    expect(Array.from({ length: 60 }, (_, i) => connect(10 + i, 'ip4/127.0.0.1'))).not.toContain(
      false,
    )
    expect(Array.from({ length: 500 }, () => gate.refusesHost(to('ip4/127.0.0.1')))).not.toContain(
      true,
    )
  })
})
