import { describe, expect, it } from 'vitest'
import {
  isHearsayError,
  silentLogger,
  systemClock,
  systemRng,
  toHex,
} from '../../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { bootstrapTargets, createNet } from '../../../src/net/index.ts'
import { dialAddresses } from '../../../src/net/dial.ts'
import { peerIdOf } from '../../../src/net/node-id.ts'
import { nodeKeyFromSeed } from '../../../src/net/node-key.ts'
import { protocolId } from '../../../src/net/protocol-id.ts'
import { withoutNames } from '../../../src/net/resolve.ts'

const seed = new Uint8Array(32).fill(1)
const { nodeId } = nodeKeyFromSeed(seed)
const peer = peerIdOf(nodeId)
const other = peerIdOf(nodeKeyFromSeed(new Uint8Array(32).fill(2)).nodeId)

describe('the node key', () => {
  it('is the Ed25519 key of its seed', () => {
    expect(toHex(nodeId)).toBe(toHex(signKeyPairFromSeed(seed).publicKey))
  })

  it('needs 32 bytes', () => {
    expect(() => nodeKeyFromSeed(new Uint8Array(31))).toThrow('32 bytes')
  })
})

describe('addresses to dial', () => {
  it('are looked up first, so that no name can point here when it is dialled; but under TLS', async () => {
    const { signal } = new AbortController()
    const asked: [string, number][] = []
    const resolve = async (name: string, family: 0 | 4 | 6 = 0) => {
      asked.push([name, family])
      return name === 'a.example' ? ['192.0.2.1', '2001:db8::1'] : []
    }
    const written = [
      '/dns/a.example/tcp/1',
      '/dns4/nobody.example/tcp/2/ws',
      '/dns4/b.example/tcp/3/tls/ws',
      '/ip4/192.0.2.9/tcp/4',
    ]
    const found = await withoutNames(dialAddresses(peer, written), signal, resolve)
    expect(found.map((address) => address.toString().replace(/\/p2p\/.*/, ''))).toEqual([
      '/ip4/192.0.2.1/tcp/1',
      '/ip6/2001:db8::1/tcp/1',
      '/dns4/b.example/tcp/3/tls/ws',
      '/ip4/192.0.2.9/tcp/4',
    ])
    expect(asked).toEqual([
      ['a.example', 0],
      ['nobody.example', 4],
    ])
  })

  it('carry the peer id, whether it was written or not', () => {
    const [bare, named] = dialAddresses(peer, [
      '/ip4/127.0.0.1/tcp/1',
      `/ip6/::1/tcp/2/ws/p2p/${peer.toString()}`,
    ]).map(String)
    expect(bare).toBe(`/ip4/127.0.0.1/tcp/1/p2p/${peer.toString()}`)
    expect(named).toBe(`/ip6/::1/tcp/2/ws/p2p/${peer.toString()}`)
  })

  it('leave out what is malformed, of another node, relayed or resolved by records', () => {
    const refused = [
      'nonsense',
      '',
      '/ip4/999.0.0.1/tcp/1',
      `/ip4/127.0.0.1/tcp/1/p2p/${other.toString()}`,
      `/ip4/127.0.0.1/tcp/1/p2p/${other.toString()}/p2p-circuit`,
      '/dnsaddr/example.org',
      '/ip4/127.0.0.1/udp/1/quic-v1',
      '/unix/tmp%2fsocket',
    ]
    expect(dialAddresses(peer, refused)).toEqual([])
  })

  it('are at most eight', () => {
    const many = Array.from({ length: 50 }, (_, port) => `/ip4/127.0.0.1/tcp/${port + 1}`)
    expect(dialAddresses(peer, many).length).toBe(8)
  })
})

describe('bootstraps', () => {
  it('are grouped by node', () => {
    const tcp = `/ip4/127.0.0.1/tcp/1/p2p/${peer.toString()}`
    const ws = `/ip4/127.0.0.1/tcp/2/ws/p2p/${peer.toString()}`
    const targets = bootstrapTargets([tcp, ws])
    expect(targets.map(({ addresses }) => addresses)).toEqual([[tcp, ws]])
    expect(toHex(targets[0]?.nodeId ?? seed)).toBe(toHex(nodeId))
  })

  it('without a node id are refused by name', () => {
    for (const address of [
      '/ip4/127.0.0.1/tcp/1',
      'nonsense',
      '/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    ]) {
      let code = ''
      try {
        bootstrapTargets([address])
      } catch (error) {
        if (isHearsayError(error)) code = error.code
      }
      expect(code).toBe('network-file-invalid')
    }
  })
})

describe('protocol ids', () => {
  it('carry the network and the version, and take no foreign characters', () => {
    expect(protocolId('c0ffee', 'mailbox/fetch')).toBe('/hearsay/c0ffee/mailbox/fetch/1')
    for (const name of ['', '/x', 'X', 'a b', 'a'.repeat(65)]) {
      expect(() => protocolId('c0ffee', name)).toThrow('malformed protocol name')
    }
  })
})

describe('listen addresses', () => {
  const net = (listen: string[]) =>
    createNet(
      { clock: systemClock, rng: systemRng, log: silentLogger },
      { privateKeySeed: seed, listen, pnetKey: seed, networkTag: 'aa', bootstraps: [], topics: [] },
    )

  it('that are not ip with tcp are refused before anything listens', async () => {
    for (const address of ['nonsense', '/dns4/localhost/tcp/1', '/ip4/127.0.0.1/udp/1']) {
      await expect(net([address]).start()).rejects.toMatchObject({
        code: 'listen-failed',
        details: { address },
      })
    }
  })

  it('of a net that was never started are none, and it can be stopped', async () => {
    const idle = net([])
    expect(idle.addresses()).toEqual([])
    expect(idle.status()).toMatchObject({ connected: 0, networkMismatch: false })
    await idle.stop()
    await expect(idle.start()).rejects.toMatchObject({ code: 'bug' })
  })
})
