import type { Connection } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock, systemRng } from '../../src/base/index.ts'
import { DIAL_BACKS_PER_PEER_BURST } from '../../src/net/constants.ts'
import { DialBack, type DialBackPorts } from '../../src/net/dial-back.ts'
import { decodeDialBack, encodeDialBackAnswer } from '../../src/net/dial-back-codec.ts'
import { StreamRequests } from '../../src/net/requests.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { eventually, NETWORK_TAG } from '../support/test-nets.ts'

const running: RawPeer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()))
})

const never = new AbortController().signal

interface Peer {
  readonly raw: RawPeer
  readonly requests: StreamRequests
  readonly dialBack: DialBack
  /** Its listen addresses, without the peer id. */
  readonly addresses: string[]
}

async function peer(
  o: Partial<DialBackPorts> & { serves?: boolean; ws?: boolean; refusesDial?: () => boolean } = {},
): Promise<Peer> {
  const raw = await RawPeer.start(1, o)
  running.push(raw)
  const libp2p = () => raw.libp2p
  const requests = new StreamRequests(
    {
      clock: systemClock,
      libp2p,
      connect: () => Promise.reject(new Error('not dialled here')),
      isKnown: o.isKnown ?? (() => true),
    },
    { networkTag: NETWORK_TAG },
  )
  const dialBack = new DialBack({
    clock: systemClock,
    rng: systemRng,
    requests,
    libp2p,
    isKnown: o.isKnown ?? (() => true),
    resolve: o.resolve ?? (() => Promise.reject(new Error('no names here'))),
  })
  if (o.serves !== false) dialBack.serve()
  const addresses = raw.addresses.map((address) => address.replace(/\/p2p\/.*/, ''))
  return { raw, requests, dialBack, addresses }
}

const dial = (from: Peer, to: Peer): Promise<Connection> => from.raw.dial(to.raw.addresses[0] ?? '')

const open = ({ raw }: Peer) =>
  raw.libp2p.getConnections().filter(({ status }) => status === 'open')

const port = (address: string | undefined) => Number(/tcp\/(\d+)/.exec(address ?? '')?.[1])

describe('a node that asks to be dialled', () => {
  it.each([false, true])(
    'hears that it was, over a connection that is gone again (ws: %s)',
    async (ws) => {
      const [asker, helper] = [await peer({ ws }), await peer()]
      const connection = await dial(asker, helper)
      let opened = 0
      asker.raw.libp2p.addEventListener('connection:open', () => (opened += 1))
      expect(await asker.dialBack.ask(connection, asker.addresses, never)).toBe('confirmed')
      expect(opened).toBe(1)
      await eventually(() => open(asker).length === 1 && open(helper).length === 1)
      expect(open(asker)[0]?.id).toBe(connection.id)
    },
  )

  it('may be asked over the connection that the helper made', async () => {
    const [asker, helper] = [await peer(), await peer()]
    await dial(helper, asker)
    await eventually(() => open(asker).length === 1)
    const [connection] = open(asker)
    if (connection === undefined) throw new Error('not connected')
    expect(await asker.dialBack.ask(connection, asker.addresses, never)).toBe('confirmed')
  })

  it('hears that nobody answered', async () => {
    const [asker, helper] = [await peer(), await peer()]
    const connection = await dial(asker, helper)
    const closed = ['/ip4/127.0.0.1/tcp/1']
    expect(await asker.dialBack.ask(connection, closed, never)).toBe('failed')
    const other = await peer()
    // Somebody listens there, but it is another node.
    expect(await asker.dialBack.ask(connection, other.addresses, never)).toBe('failed')
  })

  it('has nobody else dialled: only the host that it comes from', async () => {
    const dials: string[] = []
    const helper = await peer({
      refusesDial: () => {
        dials.push('dialled')
        return false
      },
      resolve: async (name) => (name === 'victim.example' ? ['192.0.2.1', '2001:db8::1'] : []),
    })
    const asker = await peer()
    const connection = await dial(asker, helper)
    const elsewhere = [
      '/ip4/192.0.2.1/tcp/80',
      '/ip6/::1/tcp/80',
      '/dns4/victim.example/tcp/80',
      '/dns/unknown.example/tcp/80',
      '/ip4/127.0.0.1/udp/53',
      'nonsense',
    ]
    expect(await asker.dialBack.ask(connection, elsewhere, never)).toBe('elsewhere')
    expect(dials).toEqual([])
  })

  it('is dialled under its name where that leads back to it, and at the address that was looked up', async () => {
    const asker = await peer()
    const asked: string[] = []
    const helper = await peer({
      resolve: async (name) => {
        asked.push(name)
        // Whoever answers for the name may say something else the next time.
        return asked.length === 1 ? ['192.0.2.1', '127.0.0.1'] : ['192.0.2.9']
      },
    })
    const connection = await dial(asker, helper)
    const named = [`/dns4/asker.example/tcp/${port(asker.addresses[0])}`]
    expect(await asker.dialBack.ask(connection, named, never)).toBe('confirmed')
    expect(asked).toEqual(['asker.example'])
  })

  it('is not helped when it is not known, and only so often when it is', async () => {
    const strangers = await peer({ isKnown: () => false })
    const asker = await peer()
    expect(await asker.dialBack.ask(await dial(asker, strangers), asker.addresses, never)).toBe(
      'none',
    )
    const helper = await peer()
    const connection = await dial(asker, helper)
    const outcomes: string[] = []
    for (let i = 0; i < DIAL_BACKS_PER_PEER_BURST + 2; i++) {
      outcomes.push(await asker.dialBack.ask(connection, asker.addresses, never))
    }
    expect(outcomes.filter((each) => each === 'confirmed').length).toBe(DIAL_BACKS_PER_PEER_BURST)
    expect(outcomes.slice(DIAL_BACKS_PER_PEER_BURST)).toEqual(['none', 'none'])
  })

  it("learns nothing when the helper's own limits forbid the dial", async () => {
    const [asker, helper] = [await peer(), await peer({ refusesDial: () => true })]
    expect(await asker.dialBack.ask(await dial(asker, helper), asker.addresses, never)).toBe('none')
  })

  it('stops waiting when it stops', async () => {
    const [asker, helper] = [await peer(), await peer({ serves: false })]
    const begun = Promise.withResolvers<void>()
    helper.requests.handle(
      'net/dial-back',
      { maxRequestBytes: 2_000, maxConcurrentPerPeer: 1 },
      () => {
        begun.resolve()
        return new Promise(() => undefined)
      },
    )
    const stop = new AbortController()
    const asked = asker.dialBack.ask(await dial(asker, helper), asker.addresses, stop.signal)
    await begun.promise
    stop.abort()
    expect(await asked).toBe('none')
  })
})

describe('a helper that lies', () => {
  /** A helper of whose doings the test decides; it always says that it dialled. */
  async function liar(
    act: (nonce: Uint8Array, asked: Connection, self: Peer) => Promise<unknown>,
  ): Promise<Peer> {
    const self = await peer({ serves: false })
    self.requests.handle(
      'net/dial-back',
      { maxRequestBytes: 2_000, maxConcurrentPerPeer: 1 },
      async (_peer, payload, connection) => {
        await act(decodeDialBack(payload).nonce, connection, self).catch(() => undefined)
        return encodeDialBackAnswer('dialled')
      },
    )
    return self
  }

  const bring = (requests: StreamRequests, connection: Connection, nonce: Uint8Array) =>
    requests.requestOn(connection, 'net/dial-back-nonce', nonce, {
      maxResponseBytes: 0,
      timeoutMs: 2_000,
    })

  it('is not believed without the nonce', async () => {
    const [asker, helper] = [await peer(), await liar(async () => undefined)]
    expect(await asker.dialBack.ask(await dial(asker, helper), asker.addresses, never)).toBe('none')
  })

  it('is not believed when the nonce comes the way the question went', async () => {
    const asker = await peer()
    const helper = await liar(async (nonce, asked, { requests }) => bring(requests, asked, nonce))
    const connection = await dial(asker, helper)
    expect(await asker.dialBack.ask(connection, asker.addresses, never)).toBe('none')
  })

  it('is not believed over an older connection that it made itself', async () => {
    const asker = await peer()
    const helper = await liar(async (nonce, asked, { raw, requests }) => {
      const [own] = raw.libp2p
        .getConnections(asked.remotePeer)
        .filter((c) => c.direction === 'outbound')
      if (own !== undefined) await bring(requests, own, nonce)
    })
    await dial(helper, asker)
    await eventually(() => open(asker).length === 1)
    const [connection] = open(asker)
    if (connection === undefined) throw new Error('not connected')
    expect(await asker.dialBack.ask(connection, asker.addresses, never)).toBe('none')
  })

  it('cannot have a friend bring the nonce, nor guess one', async () => {
    const [asker, friend] = [await peer(), await peer()]
    const helper = await liar(async (nonce) => {
      await bring(friend.requests, await dial(friend, asker), nonce)
    })
    const connection = await dial(asker, helper)
    expect(await asker.dialBack.ask(connection, asker.addresses, never)).toBe('none')
    await expect(
      bring(helper.requests, await dial(helper, asker), new Uint8Array(16)),
    ).rejects.toMatchObject({ code: 'request-failed' })
  })

  it('would be believed if it had come in by itself', async () => {
    const asker = await peer()
    const helper = await liar(async (nonce, _asked, { raw, requests }) => {
      const to = asker.raw.libp2p.getMultiaddrs()
      await bring(requests, await raw.libp2p.dial(to, { force: true }), nonce)
    })
    const connection = await dial(asker, helper)
    expect(await asker.dialBack.ask(connection, asker.addresses, never)).toBe('confirmed')
  })
})
