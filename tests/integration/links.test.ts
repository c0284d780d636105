import type { Connection, Stream } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { concat, isHearsayError, type NodeId, u32be } from '../../src/base/index.ts'
import { LINK_BUFFER_BYTES, STREAM_WINDOW_BYTES } from '../../src/net/constants.ts'
import { nodeIdOf } from '../../src/net/node-id.ts'
import type { Net } from '../../src/net/index.ts'
import { protocolId } from '../../src/net/protocol-id.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { eventually, NETWORK_TAG, testNet } from '../support/test-nets.ts'

const FRAME = 3_400
const MIX = protocolId(NETWORK_TAG, 'mix')

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()))
})

async function started(net: Net): Promise<Net> {
  running.push(net)
  await net.start()
  return net
}

async function rawPeer(host: number): Promise<RawPeer> {
  const peer = await RawPeer.start(host)
  running.push(peer)
  return peer
}

/** Numbers of the frames that arrive, which carry theirs in front. */
function frameNumbers(net: Net): number[] {
  const heard: number[] = []
  net.links.accept('mix', { frameBytes: FRAME }, (_peer, frame) => {
    heard.push(new DataView(frame.buffer, frame.byteOffset).getUint32(0))
  })
  return heard
}

function frame(n: number): Uint8Array {
  return concat(u32be(n), new Uint8Array(FRAME - 4))
}

const onWire = (n: number) => concat(u32be(FRAME), frame(n))

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: unknown) => (isHearsayError(error) ? error.code : 'other'),
  )

describe('a link to a neighbour that does not read', () => {
  it('takes so many bytes, refuses the rest, and brings what it took when the neighbour wakes', async () => {
    const lazy = await rawPeer(7)
    const streams: Stream[] = []
    await lazy.take('mix', (stream) => {
      stream.pause()
      streams.push(stream)
    })
    const net = await started(testNet(1, { bootstraps: lazy.addresses }))
    await eventually(() => net.peers.connected().length === 1)
    const peer = nodeIdOf(lazy.libp2p.peerId) as NodeId
    await net.links.open(peer, 'mix')
    await eventually(() => streams.length === 1)

    let taken = 0
    // Ten times what fits, with turns between them in which a stream that listens would have read.
    for (let n = 0; n < (10 * LINK_BUFFER_BYTES) / FRAME; n++) {
      if (net.links.send(peer, 'mix', frame(taken))) taken++
      if (n % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(net.links.send(peer, 'mix', frame(taken))).toBe(false)
    expect(net.links.isOpen(peer, 'mix')).toBe(true)
    expect(taken * FRAME).toBeGreaterThan(LINK_BUFFER_BYTES - FRAME)
    expect(taken * FRAME).toBeLessThanOrEqual(LINK_BUFFER_BYTES + STREAM_WINDOW_BYTES)

    const [stream] = streams
    let bytes: Uint8Array = new Uint8Array(0)
    stream?.addEventListener('message', (event) => {
      bytes = concat(bytes, event.data.subarray())
    })
    stream?.resume()
    await eventually(() => bytes.length === taken * (4 + FRAME))
    const numbers = Array.from({ length: taken }, (_, i) =>
      new DataView(bytes.buffer).getUint32(4 + i * (4 + FRAME)),
    )
    expect(numbers).toEqual(numbers.map((_, i) => i))
    expect(net.links.send(peer, 'mix', frame(taken))).toBe(true)
  })

  it('is let go of when it is closed with a full queue', async () => {
    const lazy = await rawPeer(7)
    const streams: Stream[] = []
    await lazy.take('mix', (stream) => {
      stream.pause()
      streams.push(stream)
    })
    const net = await started(testNet(1, { bootstraps: lazy.addresses }))
    await eventually(() => net.peers.connected().length === 1)
    const peer = nodeIdOf(lazy.libp2p.peerId) as NodeId
    await net.links.open(peer, 'mix')
    await eventually(() => streams.length === 1)
    while (net.links.send(peer, 'mix', frame(0))) {
      // Until it is full.
    }
    net.links.close(peer, 'mix')
    await eventually(() => streams[0]?.status === 'reset')
    await net.links.open(peer, 'mix')
    expect(net.links.send(peer, 'mix', frame(0))).toBe(true)
  })
})

describe('a peer that opens link after link', () => {
  const openOne = async (connection: Connection) => await connection.newStream(MIX)

  it('is read on its newest, so that it can come back over a connection that was lost unnoticed', async () => {
    const net = await started(testNet(1))
    const heard = frameNumbers(net)
    const peer = await rawPeer(7)
    const [address = ''] = net.addresses()
    const first = await openOne(await peer.dial(address))
    first.send(onWire(1))
    await eventually(() => heard.length === 1)
    // The first connection stands; a second one of the same peer, as after a loss that only one side saw.
    const again = await peer.libp2p.dial(peer.libp2p.getConnections()[0]?.remoteAddr ?? [], {
      force: true,
    })
    const second = await openOne(again)
    await eventually(() => first.status === 'reset')
    second.send(onWire(2))
    await eventually(() => heard.length === 2)
    expect(heard).toEqual([1, 2])
  })

  it('holds no more than one, however many it opens', async () => {
    const net = await started(testNet(1))
    const heard = frameNumbers(net)
    const peer = await rawPeer(7)
    const connection = await peer.dial(net.addresses()[0] ?? '')
    const opened: Stream[] = []
    for (let i = 0; i < 30; i++) {
      const stream = await openOne(connection)
      stream.send(onWire(i).subarray(0, FRAME))
      opened.push(stream)
    }
    await eventually(() => opened.filter(({ status }) => status === 'open').length === 1)
    expect(heard).toEqual([])
    const last = await openOne(connection)
    last.send(onWire(77))
    await eventually(() => heard.length === 1)
    expect(heard).toEqual([77])
  })

  it('that writes on a link which is ours loses it', async () => {
    const talker = await rawPeer(7)
    await talker.take('mix', (stream) => {
      stream.addEventListener('message', () => stream.send(Uint8Array.of(1)))
    })
    const net = await started(testNet(1, { bootstraps: talker.addresses }))
    await eventually(() => net.peers.connected().length === 1)
    const peer = nodeIdOf(talker.libp2p.peerId) as NodeId
    await net.links.open(peer, 'mix')
    expect(net.links.send(peer, 'mix', frame(0))).toBe(true)
    await eventually(() => !net.links.isOpen(peer, 'mix'))
  })
})

describe('a node that nobody can dial', () => {
  it('is written to over the connection that it made, and again when it has come back', async () => {
    const mix = await started(testNet(1))
    const heardAtMix = frameNumbers(mix)
    const hidden = testNet(2, { listen: [], bootstraps: mix.addresses() })
    const heardAtHidden = frameNumbers(hidden)
    await started(hidden)
    expect(hidden.addresses()).toEqual([])
    await eventually(() => mix.peers.connected().length === 1)
    await mix.links.open(hidden.nodeId, 'mix')
    await hidden.links.open(mix.nodeId, 'mix')
    expect(mix.links.send(hidden.nodeId, 'mix', frame(1))).toBe(true)
    expect(hidden.links.send(mix.nodeId, 'mix', frame(2))).toBe(true)
    await eventually(() => heardAtHidden.length === 1 && heardAtMix.length === 1)

    await mix.peers.disconnect(hidden.nodeId)
    await eventually(() => !mix.links.isOpen(hidden.nodeId, 'mix'))
    const code = await codeOf(mix.links.open(hidden.nodeId, 'mix'))
    // It dials again by itself, perhaps already.
    expect(['peer-unreachable', 'none']).toContain(code)
    await eventually(() => mix.peers.connected().length === 1)
    await mix.links.open(hidden.nodeId, 'mix')
    expect(mix.links.send(hidden.nodeId, 'mix', frame(3))).toBe(true)
    await eventually(() => heardAtHidden.length === 2)
    expect([heardAtHidden, heardAtMix]).toEqual([[1, 3], [2]])
  })
})
