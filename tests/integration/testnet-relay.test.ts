import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../daemon/free-port.ts'
import { changeLinks, type LinkFaults, NO_FAULTS } from '../../daemon/testnet/index.ts'
import { Owners } from '../../daemon/testnet/relay/owners.ts'
import { Relay, type RelayPorts } from '../../daemon/testnet/relay/relay.ts'
import { systemClock } from '../../src/base/index.ts'
import { seededRng } from '../support/seeded-rng.ts'

const DIALLER = 1
const LISTENER = 2
const ANNOUNCED = '127.2.0.1'
const HIDDEN = '127.130.0.1'

let server: Server
let relay: Relay
let port: number
const accepted: Socket[] = []
const opened: Socket[] = []

beforeEach(async () => {
  port = await freePort([ANNOUNCED, HIDDEN])
  server = createServer((socket) => {
    accepted.push(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(port, HIDDEN, resolve))
})
afterEach(() => {
  for (const socket of [...opened.splice(0), ...accepted.splice(0)]) socket.destroy()
  relay.close()
  server.close()
})

async function start(ownerOf: RelayPorts['ownerOf'] = () => Promise.resolve(DIALLER)) {
  relay = new Relay(
    { clock: systemClock, rng: seededRng('relay'), ownerOf },
    {
      routes: [
        { node: LISTENER, announced: { host: ANNOUNCED, port }, listening: { host: HIDDEN, port } },
      ],
      sourceHost: (from) => `127.${128 + from}.0.2`,
    },
  )
  await relay.listen()
}

function faults(change: Partial<LinkFaults>) {
  const all = [
    [DIALLER, LISTENER],
    [LISTENER, DIALLER],
  ] as const
  relay.apply(changeLinks({}, all, () => ({ ...NO_FAULTS, ...change })))
}

/** A connection through the relay, with all that came back on it. */
async function dial() {
  const socket = connect({ host: ANNOUNCED, port, noDelay: true })
  opened.push(socket)
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let got = ''
  let wake = () => {}
  socket.on('data', (bytes) => {
    got += bytes.toString()
    wake()
  })
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  const says = async (text: string) => {
    while (!got.includes(text)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { socket, closed, says, got: () => got }
}

describe('the relay between nodes', () => {
  it('passes bytes both ways, and the node seems to come from an address of its own', async () => {
    await start()
    const { socket, says } = await dial()
    socket.write('hello')
    await says('hello')
    expect(accepted[0]?.remoteAddress).toBe('127.129.0.2')
  })

  it('passes a megabyte on unchanged through a slow reader', async () => {
    await start()
    const { socket, says, got } = await dial()
    socket.pause()
    const sent = Array.from({ length: 1_000 }, (_, i) => String(i).padStart(1_024, '.')).join('')
    socket.write(`${sent}end`)
    socket.resume()
    await says('end')
    expect(got()).toBe(`${sent}end`)
  })

  it('lets nothing across a cut, neither bytes nor ends, and all of it after the heal', async () => {
    await start()
    const { socket, closed, says, got } = await dial()
    socket.write('before ')
    await says('before')
    faults({ down: true })
    socket.end('behind')
    await systemClock.sleep(100)
    expect([got(), accepted[0]?.readableEnded]).toEqual(['before ', false])
    relay.apply({})
    await closed
    expect(got()).toBe('before behind')
  })

  it('makes no new connection across a cut before the heal', async () => {
    await start()
    faults({ down: true })
    const { socket, says } = await dial()
    socket.write('patience')
    await systemClock.sleep(100)
    expect(accepted).toHaveLength(0)
    relay.apply({})
    await says('patience')
    expect(accepted).toHaveLength(1)
  })

  it('delays a round trip by twice the delay', async () => {
    await start()
    const { socket, says } = await dial()
    socket.write('warm')
    await says('warm')
    faults({ delayMs: 50 })
    const began = performance.now()
    socket.write('slow')
    await says('slow')
    expect(performance.now() - began).toBeGreaterThanOrEqual(99)
  })

  it('passes a reset on', async () => {
    await start()
    const { closed, socket, says } = await dial()
    socket.write('up')
    await says('up')
    accepted[0]?.resetAndDestroy()
    await closed
    expect(socket.destroyed).toBe(true)
  })

  it('closes a connection of nobody it knows', async () => {
    await start(() => Promise.resolve(undefined))
    const { closed } = await dial()
    await closed
    expect(accepted).toHaveLength(0)
  })

  it.runIf(process.platform === 'linux')('finds out by itself who dials', async () => {
    const owners = new Owners({ running: () => [{ index: DIALLER, pid: process.pid }] })
    await start((local) => owners.ownerOf(local))
    const { socket, says } = await dial()
    socket.write('me')
    await says('me')
    expect(accepted[0]?.remoteAddress).toBe('127.129.0.2')
  })
})
