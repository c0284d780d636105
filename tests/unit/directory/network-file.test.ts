import { describe, expect, it } from 'vitest'
import {
  fromBase64Url,
  HearsayError,
  isHearsayError,
  toBase64Url,
} from '../../../src/base/index.ts'
import {
  createInvitation,
  createNetwork,
  encodeNetworkFile,
  encodeNetworkUri,
  inspectNetwork,
  networkWords,
  type Network,
  PRESETS,
  protocolVersionAt,
  reissueNetwork,
  supersedes,
  withInvitation,
} from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { OPERATOR_SEED, T0, testNetwork } from './fixtures.ts'

const BOOTSTRAP = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'
const now = T0 + 1_000

function fullNetwork(): Network {
  const network = reissueNetwork(
    testNetwork('balanced'),
    { bootstraps: [BOOTSTRAP], expiresAt: T0 + 1e9, upgrade: { version: 2, epoch: 40 } },
    OPERATOR_SEED,
    T0 + 1,
  )
  const invitation = createInvitation(network, {
    operatorSeed: OPERATOR_SEED,
    now,
    expiresAt: now + 1e6,
    maxUses: 5,
    rng: seededRng(2),
  })
  return withInvitation(network, invitation)
}

function faultOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!isHearsayError(error)) throw error
    return String(error.details['reason'] ?? error.code)
  }
  return 'none'
}

const reason = (text: string) => faultOf(() => inspectNetwork(text, { now }))

describe('network file and URI', () => {
  it('give back the same network, with and without the optional parts', () => {
    for (const network of [testNetwork(), fullNetwork()]) {
      expect(inspectNetwork(encodeNetworkUri(network), { now })).toEqual(network)
      expect(inspectNetwork(encodeNetworkFile(network), { now })).toEqual(network)
    }
  })

  it('fit a QR code: a full network with an invitation stays below 1,000 characters', () => {
    expect(encodeNetworkUri(fullNetwork()).length).toBeLessThan(1_000)
  })

  it('accept surrounding white space and TOML comments, which are outside the signature', () => {
    const network = testNetwork()
    const text = `# from Ada\n${encodeNetworkFile(network)}\n\n`
    expect(inspectNetwork(text, { now }).id).toEqual(network.id)
    expect(inspectNetwork(` ${encodeNetworkUri(network)}\n`, { now }).id).toEqual(network.id)
  })

  it('refuse every URI that is cut short, naming it', () => {
    const uri = encodeNetworkUri(fullNetwork())
    for (let length = 'hearsay:join/'.length; length < uri.length; length += 7) {
      expect(reason(uri.slice(0, length))).toBe('truncated')
    }
  })

  it('refuse every single changed character of a URI', () => {
    const uri = encodeNetworkUri(testNetwork())
    for (let at = 16; at < uri.length; at += 5) {
      const other = uri[at] === 'A' ? 'B' : 'A'
      expect(reason(uri.slice(0, at) + other + uri.slice(at + 1))).not.toBe('none')
    }
  })

  it('name a wrong checksum', () => {
    const bytes = fromBase64Url(encodeNetworkUri(testNetwork()).slice('hearsay:join/'.length))
    bytes[20]! ^= 1
    expect(reason(`hearsay:join/${toBase64Url(bytes)}`)).toBe('checksum')
  })

  it('refuse trailing bytes and foreign schemes', () => {
    const uri = encodeNetworkUri(testNetwork())
    expect(reason(`${uri}AAAA`)).toBe('encoding')
    expect(reason('hearsay:join/%%%')).toBe('encoding')
    expect(reason('https://example.org')).toBe('syntax')
    expect(reason('')).not.toBe('none')
  })

  it('refuse a text above 16 KiB before parsing it', () => {
    expect(reason('#'.repeat(16_385))).toBe('too-large')
    expect(reason('é'.repeat(10_000))).toBe('too-large')
  })

  it('notice any edited value of the text form', () => {
    const text = encodeNetworkFile(fullNetwork())
    expect(reason(text.replace('layers = 5', 'layers = 4'))).toBe('signature')
    expect(reason(text.replace('name = "lab-1"', 'name = "lab-2"'))).toBe('signature')
    expect(reason(text.replace('/ip4/127.0.0.1/', '/ip4/127.0.0.2/'))).toBe('signature')
    expect(reason(text.replace('epoch = 40', 'epoch = 41'))).toBe('signature')
    expect(reason(text.replace('max_uses = 5', 'max_uses = 6'))).toBe('invitation')
  })

  it('name unknown fields and parameters, and parameters out of range', () => {
    const text = encodeNetworkFile(testNetwork())
    expect(reason(`extra = 1\n${text}`)).toBe('unknown-field')
    expect(reason(text.replace('layers = 4', 'layers = 4\nwings = 2'))).toBe('unknown-parameter')
    expect(reason(text.replace('layers = 4', 'layers = 0'))).toBe('parameter')
    expect(reason(text.replace('layers = 4', 'layers = 4.5'))).toBe('parameter')
    // More publications in an epoch, and more hot boxes, than a node remembers.
    expect(reason(text.replace('boxRate = 20', 'boxRate = 900'))).toBe('parameter')
    expect(reason(text.replace('hotHours = 1', 'hotHours = 4'))).toBe('parameter')
    expect(reason(text.replace('layers = 4', 'layers = "4"'))).toBe('parameter')
    expect(reason(text.replace(/layers = 4\n/, ''))).toBe('parameter')
    expect(reason(text.replace('__proto__', '').replace('suite', '__proto__'))).not.toBe('none')
  })

  it('name a text form that lost its end, and an unknown format', () => {
    const text = encodeNetworkFile(testNetwork())
    expect(reason(text.slice(0, text.indexOf('[signed]')))).toBe('truncated')
    expect(reason(text.replace('format = 1', 'format = 2'))).toBe('version')
  })

  it('refuse an expired file and a foreign network by their own codes', () => {
    const uri = encodeNetworkUri(fullNetwork())
    expect(faultOf(() => inspectNetwork(uri, { now: T0 + 1e9 }))).toBe('network-file-expired')
    const other = createNetwork({
      name: 'other',
      preset: 'swift',
      bootstraps: [],
      operatorSeed: OPERATOR_SEED,
      now: T0,
      rng: seededRng(3),
    })
    expect(faultOf(() => inspectNetwork(uri, { now, expect: other.id }))).toBe('network-mismatch')
  })

  it('refuse names that a terminal or a file system could stumble over', () => {
    for (const name of ['', '../x', 'a/b', 'ü', 'A', '-a', 'a-', 'x'.repeat(41), 'a\u001b[1m']) {
      const options = {
        name,
        preset: 'swift' as const,
        bootstraps: [],
        operatorSeed: OPERATOR_SEED,
        now: T0,
        rng: seededRng(1),
      }
      expect(faultOf(() => createNetwork(options))).toBe('field')
    }
  })

  it('refuse bootstraps without a peer id or with more than a private network dials', () => {
    for (const text of [
      '/ip4/127.0.0.1/tcp/4001',
      '/ip4/127.0.0.1/udp/4001/quic-v1/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
      '/ip4/300.0.0.1/tcp/4001/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
      '/ip4/127.0.0.1/tcp/70000/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8',
      '/ip4/127.0.0.1/tcp/4001/p2p/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
    ]) {
      const run = () => reissueNetwork(testNetwork(), { bootstraps: [text] }, OPERATOR_SEED, T0 + 1)
      expect(faultOf(run)).toBe('bootstrap')
    }
  })
})

describe('network id', () => {
  it('survives new bootstraps and upgrades, and the later file supersedes', () => {
    const first = testNetwork()
    const next = reissueNetwork(first, { bootstraps: [BOOTSTRAP] }, OPERATOR_SEED, T0 + 5)
    expect(next.id).toEqual(first.id)
    expect(supersedes(next, first)).toBe(true)
    expect(supersedes(first, next)).toBe(false)
  })

  it('depends on every parameter', () => {
    const ids = new Set<string>()
    const base = PRESETS.balanced
    ids.add(toBase64Url(testNetwork('balanced').id))
    let variants = 1
    for (const [name, value] of Object.entries(base)) {
      if (name === 'preset') continue
      const other =
        name === 'slack'
          ? 4
          : name === 'admission'
            ? 'open'
            : name === 'suite'
              ? 'x-wing'
              : name === 'keyEpochMs'
                ? 1_800_000
                : (value as number) * (name === 'slotMs' || name === 'hotHours' ? 0.5 : 2)
      const whole = typeof other === 'number' ? Math.ceil(other) : other
      ids.add(toBase64Url(testNetwork('balanced', { [name]: whole }).id))
      variants++
    }
    expect(ids.size).toBe(variants)
  })

  it('cannot be re-signed by another operator', () => {
    const other = new Uint8Array(32).fill(8)
    expect(faultOf(() => reissueNetwork(testNetwork(), {}, other, T0 + 1))).toBe('not-operator')
  })

  it('reads as four words that change with the first bits', () => {
    const { id } = testNetwork()
    expect(networkWords(id)).toHaveLength(4)
    const zero = new Uint8Array(32) as typeof id
    expect(networkWords(zero)).toEqual(['abandon', 'abandon', 'abandon', 'abandon'])
    const ones = new Uint8Array(32).fill(255) as typeof id
    expect(networkWords(ones)).toEqual(['zoo', 'zoo', 'zoo', 'zoo'])
  })

  it('speaks the next protocol version from the activation epoch on', () => {
    const network = fullNetwork()
    expect(protocolVersionAt(network, 39)).toBe(1)
    expect(protocolVersionAt(network, 40)).toBe(2)
  })
})

describe('presets', () => {
  it('keep their name only while nothing but admission is overridden', () => {
    expect(testNetwork('swift', { slotMs: 250 }).parameters.preset).toBe('swift')
    expect(testNetwork('swift', { slotMs: 200 }).parameters.preset).toBe('custom')
    expect(testNetwork('balanced', { admission: 'open' }).parameters.preset).toBe('balanced')
  })

  it('refuse slots longer than twice the mixing delay', () => {
    expect(() => testNetwork('swift', { slotMs: 251 })).toThrow(HearsayError)
  })
})
