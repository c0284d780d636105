import { describe, expect, it } from 'vitest'
import { EXIT } from '../../../daemon/exit-codes.ts'
import type { Rpc } from '../../../daemon/rpc-port.ts'
import { changeLinks, directions, NO_FAULTS, refOf } from '../../../daemon/testnet/index.ts'
import { isCutOff, joinAll, waitLinked, type Wanted } from '../../../daemon/testnet/joining.ts'
import type { TestnetState } from '../../../daemon/testnet/index.ts'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

type Answer = (method: string, signal: AbortSignal) => unknown

const TIMEOUT = { code: 1011, message: 'not reached in time', data: { name: 'TIMEOUT' } }
/** As of a process that is stopped: its socket takes connections. */
const frozen: Answer = (_, signal) =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(new Error('aborted'))
    signal.addEventListener('abort', () => reject(new Error('aborted')))
  })

/** A testnet whose processes run; the answers of its nodes in order. */
function testnet(...answers: Answer[]) {
  const clock = new VirtualClock()
  const calls: string[] = []
  const ports = {
    clock,
    env: {},
    progress: () => {},
    connect: (socket: string) => {
      const index = Number(socket)
      const call = async (method: string, _: unknown, signal: AbortSignal) => {
        calls.push(`${index} ${method}`)
        return answers[index]?.(method, signal)
      }
      return Promise.resolve({ call, close: () => {} } as unknown as Rpc)
    },
  }
  const nodes = answers.map((_, index) => ({
    index,
    home: `/node-${index}`,
    rpc: String(index),
    address: '',
    peerId: '',
    process: refOf(process.pid) as NonNullable<ReturnType<typeof refOf>>,
  }))
  const state: TestnetState = { version: 1, preset: 'swift', seed: '1', nodes }
  const wanted = (...indices: number[]): Wanted => ({
    nodes: nodes.filter(({ index }) => indices.includes(index)),
    deadline: clock.monotonic() + 60_000,
    signal: new AbortController().signal,
  })
  return { ports, state, wanted, calls, clock }
}

const inNetwork: Answer = (method) => {
  if (method === 'network.get') return { uri: 'hearsay:join/x' }
  return { network: {}, peerId: 'p' }
}
const fresh: Answer = (method) =>
  method === 'network.create' ? { uri: 'hearsay:join/x' } : { network: null, peerId: 'p' }

describe('joining the network of a testnet', () => {
  it('makes it on the first node and joins the others', async () => {
    const { ports, state, wanted, calls } = testnet(fresh, fresh)
    await joinAll(ports, state, wanted(0, 1))
    expect(calls).toContain('0 network.create')
    expect(calls).toContain('1 network.join')
  })

  it('asks nobody but the node that is wanted, where that is in it', async () => {
    const { ports, state, wanted, calls } = testnet(frozen, inNetwork, frozen)
    await joinAll(ports, state, wanted(1))
    const linked = await waitLinked(ports, state, { ...wanted(1), links: {} })
    expect(linked.nodes[1]?.peerId).toBe('p')
    expect(calls.every((call) => call.startsWith('1 '))).toBe(true)
  })

  it('names a node that is frozen, when the time is over', async () => {
    const { ports, state, wanted, clock } = testnet(inNetwork, frozen)
    const joined = joinAll(ports, state, wanted(0, 1)).catch((error: unknown) => error)
    await clock.advance(60_000)
    expect(await joined).toMatchObject({
      exitCode: EXIT.notReady,
      message: 'node 1 does not answer',
      fix: expect.stringContaining('testnet status') as string,
    })
    expect(clock.pendingTimers).toBe(0)
  })

  it('ends at once when its caller does', async () => {
    const { ports, state, wanted, clock } = testnet(frozen)
    const caller = new AbortController()
    const joined = joinAll(ports, state, { ...wanted(0), signal: caller.signal })
    caller.abort(new Error('ctrl-c'))
    await expect(joined).rejects.toThrow('ctrl-c')
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('waiting for links', () => {
  it('does not wait for a node that all links are cut of', async () => {
    const notLinked: Answer = (method) => {
      if (method === 'node.wait') throw new RpcFailure(TIMEOUT)
      return { network: {}, peerId: 'p' }
    }
    const { ports, state, wanted } = testnet(inNetwork, notLinked, inNetwork)
    const alone = [...directions([1], [0, 2]), ...directions([0, 2], [1])]
    const links = changeLinks({}, alone, () => ({ ...NO_FAULTS, down: true }))
    const linked = await waitLinked(ports, state, { ...wanted(1), links })
    expect(linked.nodes[1]?.peerId).toBe('p')
    await expect(waitLinked(ports, state, { ...wanted(1), links: {} })).rejects.toMatchObject({
      exitCode: EXIT.notReady,
      message: 'node 1 runs and is not linked in time',
    })
  })

  it('tells a node that is cut off from one that has a way both ways', () => {
    const { state } = testnet(inNetwork, inNetwork, inNetwork)
    const [, one] = state.nodes
    if (one === undefined) throw new Error('no node 1')
    const down = () => ({ ...NO_FAULTS, down: true })
    const oneWay = changeLinks({}, directions([1], [0, 2]), down)
    expect(isCutOff(state, oneWay, one)).toBe(true)
    expect(isCutOff(state, changeLinks({}, directions([1], [0]), down), one)).toBe(false)
    expect(isCutOff(state, {}, one)).toBe(false)
  })
})
