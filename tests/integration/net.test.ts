import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { isHearsayError, toHex, utf8 } from '../../src/base/index.ts'
import type { Net, Verdict } from '../../src/net/index.ts'
import { eventually, sha256, testNet } from '../support/test-nets.ts'

const running: Net[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((net) => net.stop()))
})

async function started(net: Net): Promise<Net> {
  running.push(net)
  await net.start()
  return net
}

/** `count` nodes that all know the first one. */
async function network(count: number): Promise<[Net, ...Net[]]> {
  const first = await started(testNet(1))
  const others: Net[] = []
  for (let i = 2; i <= count; i++) {
    others.push(await started(testNet(i, { bootstraps: first.addresses() })))
  }
  await eventually(() => first.peers.connected().length === count - 1)
  return [first, ...others]
}

function listenOn(net: Net, verdict: Verdict = 'accept'): string[] {
  const heard: string[] = []
  net.pubsub.subscribe('test', {
    validate: () => verdict,
    messageId: sha256,
    handle: (message) => heard.push(Buffer.from(message).toString()),
  })
  return heard
}

describe('five libp2p nodes with a network key', () => {
  it('deliver a publication to every other node exactly once', async () => {
    const nets = await network(5)
    const heard = nets.map((net) => listenOn(net))
    await eventually(() => nets.every((net) => net.pubsub.meshPeers('test') > 0))
    await eventually(() => nets[0].pubsub.meshPeers('test') === 4)
    expect(await nets[1]?.pubsub.publish('test', utf8('hello'))).toBeGreaterThan(0)
    await eventually(() => heard.filter((each) => each.length > 0).length === 4)
    expect(heard[1]).toEqual([])
    expect(heard.flat()).toEqual(['hello', 'hello', 'hello', 'hello'])
  })

  it('answer requests and hold the sizes and deadlines', async () => {
    const [server, client] = await network(2)
    server.requests.handle(
      'echo',
      { maxRequestBytes: 100_000, maxConcurrentPerPeer: 2 },
      async (peer, payload) => {
        expect(toHex(peer)).toBe(toHex(client?.nodeId ?? peer))
        if (payload.length === 1) await new Promise(() => undefined)
        if (payload.length === 2) throw new Error('no')
        return payload
      },
    )
    const ask = (bytes: number, o: { max?: number; ms?: number } = {}) =>
      client?.requests.request(server.nodeId, 'echo', new Uint8Array(bytes), {
        maxResponseBytes: o.max ?? 100_000,
        timeoutMs: o.ms ?? 3_000,
      })
    expect((await ask(0))?.length).toBe(0)
    expect((await ask(100_000))?.length).toBe(100_000)
    await expect(ask(100_001)).rejects.toMatchObject({ code: 'request-failed' })
    await expect(ask(5_000, { max: 4_999 })).rejects.toMatchObject({ code: 'request-failed' })
    await expect(ask(2)).rejects.toMatchObject({ code: 'request-failed' })
    await expect(ask(1, { ms: 100 })).rejects.toMatchObject({ code: 'timeout' })
    expect((await ask(10))?.length).toBe(10)
  })

  it('name a busy port with its address', async () => {
    const first = await started(testNet(1))
    const address = first.addresses()[0]?.replace(/\/p2p\/.*/, '') ?? ''
    const second = testNet(2, { listen: [address] })
    const error = await second.start().catch((reason: unknown) => reason)
    expect(isHearsayError(error, 'address-in-use')).toBe(true)
    expect(isHearsayError(error) && error.details['address']).toBe(address)
  })

  it('keep a node with another network key out and tell it why', async () => {
    const nets = await network(3)
    const stranger = await started(
      testNet(9, { bootstraps: nets[0].addresses(), pnetKey: new Uint8Array(32).fill(8) }),
    )
    await eventually(() => stranger.status().networkMismatch)
    expect(stranger.peers.connected()).toEqual([])
    expect(nets[0].peers.connected().length).toBe(2)
  })

  it('stay healthy when a TCP client speaks garbage', async () => {
    const nets = await network(3)
    const heard = nets.map((net) => listenOn(net))
    const port = Number(/tcp\/(\d+)/.exec(nets[0].addresses()[0] ?? '')?.[1])
    for (let i = 0; i < 20; i++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(Buffer.alloc(i * 1_000, i + 1))
    }
    await eventually(() => nets.every((net) => net.pubsub.meshPeers('test') === 2))
    await nets[2]?.pubsub.publish('test', utf8('still here'))
    await eventually(() => heard[0]?.length === 1 && heard[1]?.length === 1)
    expect(nets[0].peers.connected().length).toBe(2)
  })
})
