import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRng } from '../../src/base/index.ts'
import { createNet, type Net, type NetOptions } from '../../src/net/index.ts'
import { eventually, NETWORK_TAG, PNET_KEY, testNet } from '../support/test-nets.ts'

const running: Net[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((net) => net.stop()))
})

async function started(net: Net): Promise<Net> {
  running.push(net)
  await net.start()
  return net
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A net that listens on all interfaces, so that it has to find out, and on loopback, so that it may dial there. */
async function wide(key: number, port: number, o: Partial<NetOptions> = {}): Promise<Net> {
  return await started(
    createNet(
      { clock: systemClock, rng: systemRng, log: silentLogger, isKnown: () => true },
      {
        privateKeySeed: new Uint8Array(32).fill(key),
        listen: [`/ip4/0.0.0.0/tcp/${port}`, '/ip4/127.0.0.9/tcp/0'],
        pnetKey: PNET_KEY,
        networkTag: NETWORK_TAG,
        bootstraps: [],
        topics: [],
        ...o,
      },
    ),
  )
}

/** One round may decide nothing, where both nodes dial each other at once: the next begins up to 22.5 s later. */
const TWO_ROUNDS_MS = 60_000

const at = (port: number) => [`/ip4/127.0.0.1/tcp/${port}`]

describe('whether others can dial a node', () => {
  it('is clear at once where it was told, and on one machine', async () => {
    expect((await started(testNet(1))).reachability()).toBe('reachable')
    const hidden = await started(testNet(2, { reachable: 'no' }))
    expect([hidden.reachability(), hidden.status().hindrance]).toEqual([
      'unreachable',
      'configured',
    ])
    const told = await wide(3, await freePort(), { reachable: 'yes' })
    expect([told.reachability(), told.status().hindrance]).toEqual(['reachable', undefined])
  })

  it('is found out by asking: one that is dialled, one that announces a closed port', async () => {
    const [port, closed] = [await freePort(), await freePort()]
    const first = await wide(1, port, { announce: at(port) })
    expect(first.reachability()).toBe('unknown')
    const changes: string[] = []
    first.onReachability((reachability) => changes.push(reachability))
    const bootstraps = first.addresses()
    const second = await wide(2, await freePort(), { bootstraps, announce: at(closed) })
    await eventually(
      () => first.reachability() !== 'unknown' && second.reachability() !== 'unknown',
      TWO_ROUNDS_MS,
    )
    expect([first.reachability(), changes]).toEqual(['reachable', ['reachable']])
    expect([second.reachability(), second.status().hindrance]).toEqual(['unreachable', 'closed'])
    expect(first.dialable()).toEqual(at(port))
    expect(first.peers.connected().length).toBe(1)
  })

  it('is yes among nodes of one machine that listen on everything and announce nothing', async () => {
    const port = await freePort()
    const first = await wide(1, port)
    const bootstraps = at(port).map((address) => `${address}/p2p/${first.peerId}`)
    const second = await wide(2, await freePort(), { bootstraps })
    await eventually(
      () => first.reachability() !== 'unknown' && second.reachability() !== 'unknown',
      TWO_ROUNDS_MS,
    )
    expect([first.reachability(), second.reachability()]).toEqual(['reachable', 'reachable'])
  })

  it('is no for a node that listens nowhere', async () => {
    const hidden = await started(testNet(2, { listen: [] }))
    await eventually(() => hidden.reachability() === 'unreachable')
    expect([hidden.status().hindrance, hidden.dialable()]).toEqual(['no-address', []])
  })
})
