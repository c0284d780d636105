import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Namespaces } from '../support/namespaces.ts'
import { NetHost, type NetView } from '../support/net-host.ts'
import { until } from '../support/real-nodes.ts'
import { UNABLE } from '../support/sandbox.ts'

const missing = Namespaces.missing()

/** A port forwarding in user space, as `node -e`. */
const FORWARD = `
  const net = require('node:net')
  const [from, to] = process.argv.slice(1).map((each) => each.split(':'))
  const server = net.createServer((inner) => {
    const outer = net.connect({ host: to[0], port: Number(to[1]) })
    inner.pipe(outer).pipe(inner)
    for (const socket of [inner, outer]) socket.on('error', () => { inner.destroy(); outer.destroy() })
  })
  server.listen(Number(from[1]), from[0])
`

const declare = missing === undefined ? onHosts : notHere

describe('nodes on hosts of their own', () => {
  declare()
})

function notHere(): void {
  it(`are not run here, because ${missing}`, () => {
    expect(missing).toMatch(UNABLE)
  })
}

function onHosts(): void {
  const hosts = new Namespaces()
  const publicNodes: NetHost[] = []
  let bootstraps: string[] = []
  const started: NetHost[] = []
  const forwards: ChildProcess[] = []

  const start = (name: string, o: { key: number; listen: string; announce?: string }): NetHost => {
    const node = new NetHost(hosts.on(name), {
      key: o.key,
      listen: [o.listen],
      ...(o.announce === undefined ? {} : { announce: [o.announce] }),
      bootstraps,
    })
    started.push(node)
    return node
  }

  const becomes = async (node: NetHost, what: (view: NetView) => boolean, ms = 60_000) => {
    await until('the node sees it', async () => what(await node.view()), ms)
    return await node.view()
  }

  /** Frames in both directions between a node and the first public one. */
  async function exchange(node: NetHost): Promise<void> {
    const [first] = publicNodes
    if (first === undefined) throw new Error('no public node')
    const [inner, outer] = [await node.view(), await first.view()]
    const count = (view: NetView, from: NetView) => view.frames[from.nodeId] ?? 0
    expect(await node.send(outer.nodeId)).toBe(true)
    expect(await first.send(inner.nodeId)).toBe(true)
    await becomes(node, (view) => count(view, outer) > count(inner, outer))
    await becomes(first, (view) => count(view, inner) > count(outer, inner))
  }

  beforeAll(async () => {
    for (const net of [1, 2, 3]) {
      const address = hosts.add(`public${net}`, net)
      const node = start(`public${net}`, { key: net, listen: `/ip4/${address}/tcp/7760` })
      publicNodes.push(node)
      const { addresses } = await node.view()
      bootstraps = [...bootstraps, ...addresses]
    }
    started.splice(0)
  })

  afterEach(async () => {
    await Promise.all(started.splice(0).map((node) => node.stop()))
    for (const forward of forwards.splice(0)) forward.kill()
  })

  afterAll(async () => {
    await Promise.all(publicNodes.map((node) => node.stop()))
    hosts.remove()
  })

  it('find out that they are reachable, the first one too', async () => {
    for (const node of publicNodes) {
      const view = await becomes(node, ({ reachability }) => reachability === 'reachable')
      expect(view.hindrance).toBeNull()
    }
  })

  it('behind a firewall find out that nobody can dial them, and take part by their own dials', async () => {
    const address = hosts.add('walled', 10)
    hosts.closeDoor('walled')
    const node = start('walled', { key: 10, listen: `/ip4/${address}/tcp/7760` })
    const view = await becomes(node, ({ reachability }) => reachability !== 'unknown')
    expect([view.reachability, view.hindrance]).toEqual(['unreachable', 'closed'])
    expect(view.connected.length).toBe(3)
    await exchange(node)

    hosts.openDoor('walled')
    await becomes(node, ({ reachability }) => reachability === 'reachable', 120_000)
    expect((await node.view()).hindrance).toBeNull()
  })

  it('behind a port forwarding are reachable once it is announced, and know it when it is not', async () => {
    const address = hosts.add('home', 20)
    hosts.addPrivate('home', '192.168.7.2')
    const listen = '/ip4/192.168.7.2/tcp/7760'

    const silent = start('home', { key: 20, listen })
    const alone = await becomes(silent, ({ reachability }) => reachability !== 'unknown')
    expect([alone.reachability, alone.hindrance]).toEqual(['unreachable', 'elsewhere'])
    await exchange(silent)
    await silent.stop()

    const announce = `/ip4/${address}/tcp/9000`
    const [first, ...rest] = hosts.on('home')
    const ends = [`${address}:9000`, '192.168.7.2:7760']
    forwards.push(spawn(first, [...rest, process.execPath, '-e', FORWARD, '--', ...ends]))
    const node = start('home', { key: 21, listen, announce })
    const view = await becomes(node, ({ reachability }) => reachability !== 'unknown')
    expect([view.reachability, view.hindrance]).toEqual(['reachable', null])
    await exchange(node)
  })

  it('announcing a place where nobody forwards to them are unreachable', async () => {
    const address = hosts.add('wrong', 30)
    const listen = `/ip4/${address}/tcp/7760`
    const node = start('wrong', { key: 30, listen, announce: `/ip4/${address}/tcp/9000` })
    const view = await becomes(node, ({ reachability }) => reachability !== 'unknown')
    expect([view.reachability, view.hindrance]).toEqual(['unreachable', 'closed'])
  })
}
