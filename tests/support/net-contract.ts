import { describe, expect, it } from 'vitest'
import { isHearsayError, type NodeId, toHex, utf8 } from '../../src/base/index.ts'
import type { Links, PeerChange, Peers, PubSub, Requests } from '../../src/net/index.ts'
import { sha256 } from './test-nets.ts'

export interface ContractNode {
  nodeId: NodeId
  pubsub: PubSub
  requests: Requests
  links: Links
  peers: Peers
}

export interface ContractNetwork {
  /** Two nodes that are connected. */
  pair(): Promise<[ContractNode, ContractNode]>
  /** Lets time pass until the condition holds. */
  until(condition: () => boolean): Promise<void>
}

const TOPIC = 'test'

/** What every implementation of the net ports does: run for the in-memory one and for libp2p. */
export function describeNetContract(name: string, network: ContractNetwork): void {
  /** Awaits a promise while time passes. */
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    let done = false
    const finish = () => {
      done = true
    }
    work.then(finish, finish)
    await network.until(() => done)
    return await work
  }

  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await settled(work).catch((reason: unknown) => reason)
    return isHearsayError(error) ? error.code : 'none'
  }

  describe(`${name}: requests`, () => {
    const limits = { maxResponseBytes: 1_000, timeoutMs: 2_000 }

    it('bring the bytes and the name of the asker, and the answer back', async () => {
      const [a, b] = await network.pair()
      b.requests.handle(
        'echo',
        { maxRequestBytes: 10, maxConcurrentPerPeer: 1 },
        async (peer, x) => {
          expect(toHex(peer)).toBe(toHex(a.nodeId))
          return new Uint8Array([...x, 9])
        },
      )
      const answer = settled(a.requests.request(b.nodeId, 'echo', Uint8Array.of(7), limits))
      expect([...(await answer)]).toEqual([7, 9])
      expect([
        ...(await settled(a.requests.request(b.nodeId, 'echo', new Uint8Array(0), limits))),
      ]).toEqual([9])
    })

    it('fail by name when refused, too large, unanswered, aborted or not reachable', async () => {
      const [a, b] = await network.pair()
      b.requests.handle('x', { maxRequestBytes: 10, maxConcurrentPerPeer: 1 }, async (_, x) => {
        if (x.length === 1) throw new Error('no')
        return x.length === 2 ? await new Promise<never>(() => undefined) : new Uint8Array(1_001)
      })
      const ask = (bytes: number, o: object = {}) =>
        codeOf(a.requests.request(b.nodeId, 'x', new Uint8Array(bytes), { ...limits, ...o }))
      expect(await ask(1)).toBe('request-failed')
      expect(await ask(11)).toBe('request-failed')
      expect(await ask(3)).toBe('request-failed')
      expect(await ask(2, { timeoutMs: 100 })).toBe('timeout')
      expect(await ask(3, { signal: AbortSignal.abort() })).toBe('aborted')
      expect(await codeOf(a.requests.request(b.nodeId, 'y', new Uint8Array(1), limits))).toBe(
        'request-failed',
      )
      const stranger = sha256(utf8('nobody')) as NodeId
      expect(await codeOf(a.requests.request(stranger, 'x', new Uint8Array(1), limits))).toBe(
        'peer-unreachable',
      )
    })

    it('of one peer are answered only so many at once', async () => {
      const [a, b] = await network.pair()
      const waiting: (() => void)[] = []
      b.requests.handle('slow', { maxRequestBytes: 10, maxConcurrentPerPeer: 2 }, (_, x) => {
        return new Promise((resolve) => waiting.push(() => resolve(x)))
      })
      const asked = [1, 2, 3].map((n) =>
        a.requests.request(b.nodeId, 'slow', Uint8Array.of(n), limits).then(
          () => 'answered',
          (error: unknown) => (isHearsayError(error) ? error.code : 'other'),
        ),
      )
      await network.until(() => waiting.length === 2)
      expect(await settled(Promise.race(asked))).toBe('request-failed')
      for (const answer of waiting) answer()
      expect((await settled(Promise.all(asked))).toSorted()).toEqual([
        'answered',
        'answered',
        'request-failed',
      ])
    })
  })

  describe(`${name}: topics`, () => {
    it('hand over what was accepted: the same array, once, and not to its publisher', async () => {
      const [a, b] = await network.pair()
      const validated: Uint8Array[] = []
      const handled: Uint8Array[] = []
      let own = 0
      a.pubsub.subscribe(TOPIC, {
        validate: () => 'accept',
        messageId: sha256,
        handle: () => {
          own += 1
        },
      })
      b.pubsub.subscribe(TOPIC, {
        validate: (message, from) => {
          validated.push(message)
          expect(toHex(from)).toBe(toHex(a.nodeId))
          return message[0] === 1 ? 'accept' : 'ignore'
        },
        messageId: sha256,
        handle: (message) => handled.push(message),
      })
      await network.until(() => a.pubsub.meshPeers(TOPIC) === 1)
      expect(await a.pubsub.publish(TOPIC, Uint8Array.of(0))).toBe(1)
      expect(await a.pubsub.publish(TOPIC, Uint8Array.of(1))).toBe(1)
      await a.pubsub.publish(TOPIC, Uint8Array.of(1))
      await network.until(() => handled.length === 1 && validated.length === 2)
      expect(handled[0]).toBe(validated.find((message) => message[0] === 1))
      expect(own).toBe(0)
    })

    it('have one handler, and tell when nobody is there', async () => {
      const [a] = await network.pair()
      const handler = {
        validate: () => 'accept' as const,
        messageId: sha256,
        handle: () => undefined,
      }
      a.pubsub.subscribe(TOPIC, handler)
      expect(() => a.pubsub.subscribe(TOPIC, handler)).toThrow('handler')
      expect(await a.pubsub.publish(TOPIC, Uint8Array.of(1))).toBe(0)
    })
  })

  describe(`${name}: links`, () => {
    const FRAME = 3
    const frame = (n: number) => new Uint8Array(FRAME).fill(n)
    const collect = (node: ContractNode, from: ContractNode, protocol = 'mix') => {
      const heard: number[] = []
      node.links.accept(protocol, { frameBytes: FRAME }, (peer, bytes) => {
        expect(toHex(peer)).toBe(toHex(from.nodeId))
        expect(bytes.length).toBe(FRAME)
        heard.push(bytes[0] ?? -1)
      })
      return heard
    }

    it('bring frames of their one size in order, in both directions', async () => {
      const [a, b] = await network.pair()
      const atB = collect(b, a)
      const atA = collect(a, b)
      expect(a.links.isOpen(b.nodeId, 'mix')).toBe(false)
      expect(a.links.send(b.nodeId, 'mix', frame(1))).toBe(false)
      await settled(Promise.all([a.links.open(b.nodeId, 'mix'), a.links.open(b.nodeId, 'mix')]))
      expect(a.links.isOpen(b.nodeId, 'mix')).toBe(true)
      expect(b.links.isOpen(a.nodeId, 'mix')).toBe(false)
      await settled(b.links.open(a.nodeId, 'mix'))
      for (const n of [1, 2]) {
        expect(a.links.send(b.nodeId, 'mix', frame(n))).toBe(true)
        expect(b.links.send(a.nodeId, 'mix', frame(10 + n))).toBe(true)
        await network.until(() => atB.length === n && atA.length === n)
      }
      expect(atB).toEqual([1, 2])
      expect(atA).toEqual([11, 12])
    })

    it('leave the frame with its sender', async () => {
      const [a, b] = await network.pair()
      const heard = collect(b, a)
      await settled(a.links.open(b.nodeId, 'mix'))
      const bytes = frame(4)
      expect(a.links.send(b.nodeId, 'mix', bytes)).toBe(true)
      bytes.fill(0)
      await network.until(() => heard.length === 1)
      expect(heard).toEqual([4])
    })

    it('break at a frame of another size, which nobody hears, and can be opened again', async () => {
      const [a, b] = await network.pair()
      const heard = collect(b, a)
      for (const length of [FRAME - 1, FRAME + 1, 0]) {
        await settled(a.links.open(b.nodeId, 'mix'))
        expect(a.links.send(b.nodeId, 'mix', new Uint8Array(length))).toBe(true)
        await network.until(() => !a.links.isOpen(b.nodeId, 'mix'))
        expect(a.links.send(b.nodeId, 'mix', frame(9))).toBe(false)
      }
      expect(heard).toEqual([])
      await settled(a.links.open(b.nodeId, 'mix'))
      expect(a.links.send(b.nodeId, 'mix', frame(5))).toBe(true)
      await network.until(() => heard.length === 1)
      expect(heard).toEqual([5])
    })

    it('end when their owner closes them, after what was sent; everything else stays', async () => {
      const [a, b] = await network.pair()
      const heard = collect(b, a)
      const other = collect(b, a, 'other')
      const back = collect(a, b)
      await settled(
        Promise.all([
          a.links.open(b.nodeId, 'mix'),
          a.links.open(b.nodeId, 'other'),
          b.links.open(a.nodeId, 'mix'),
        ]),
      )
      expect(a.links.send(b.nodeId, 'mix', frame(1))).toBe(true)
      a.links.close(b.nodeId, 'mix')
      expect(a.links.isOpen(b.nodeId, 'mix')).toBe(false)
      expect(a.links.send(b.nodeId, 'mix', frame(2))).toBe(false)
      expect(a.links.send(b.nodeId, 'other', frame(3))).toBe(true)
      expect(b.links.send(a.nodeId, 'mix', frame(4))).toBe(true)
      await network.until(() => heard.length === 1 && other.length === 1 && back.length === 1)
      expect([heard, other, back]).toEqual([[1], [3], [4]])
      expect(a.peers.connected().map(toHex)).toEqual([toHex(b.nodeId)])
      a.links.close(b.nodeId, 'mix')
      await settled(a.links.open(b.nodeId, 'mix'))
      expect(a.links.send(b.nodeId, 'mix', frame(6))).toBe(true)
      await network.until(() => heard.length === 2)
      expect(heard).toEqual([1, 6])
    })

    it('go with the connection', async () => {
      const [a, b] = await network.pair()
      collect(b, a)
      collect(a, b)
      await settled(Promise.all([a.links.open(b.nodeId, 'mix'), b.links.open(a.nodeId, 'mix')]))
      await settled(a.peers.disconnect(b.nodeId))
      await network.until(
        () => !a.links.isOpen(b.nodeId, 'mix') && !b.links.isOpen(a.nodeId, 'mix'),
      )
      expect(a.links.send(b.nodeId, 'mix', frame(1))).toBe(false)
    })

    it('are refused by name: nobody there, or nobody who takes them', async () => {
      const [a, b] = await network.pair()
      const stranger = sha256(utf8('nobody')) as NodeId
      expect(await codeOf(a.links.open(stranger, 'mix'))).toBe('peer-unreachable')
      expect(a.links.send(stranger, 'mix', frame(1))).toBe(false)
      expect(await codeOf(a.links.open(b.nodeId, 'mix'))).toBe('request-failed')
      expect(a.links.isOpen(b.nodeId, 'mix')).toBe(false)
      a.links.accept('mix', { frameBytes: FRAME }, () => undefined)
      expect(() => a.links.accept('mix', { frameBytes: FRAME }, () => undefined)).toThrow('taken')
    })
  })

  describe(`${name}: peers`, () => {
    it('are listed, and their going is told once on both sides', async () => {
      const [a, b] = await network.pair()
      expect(a.peers.connected().map(toHex)).toEqual([toHex(b.nodeId)])
      const gone: string[] = []
      const note = (name: string) => (change: PeerChange) => {
        // Whoever knows an address may dial again at once.
        if (!change.up) gone.push(`${name} ${toHex(change.nodeId)}`)
      }
      a.peers.onChange(note('a'))
      b.peers.onChange(note('b'))
      a.peers.onChange(note('ended'))()
      await settled(a.peers.disconnect(b.nodeId))
      await network.until(() => gone.length >= 2)
      expect(gone.toSorted()).toEqual([`a ${toHex(b.nodeId)}`, `b ${toHex(a.nodeId)}`])
      const stranger = sha256(utf8('nobody')) as NodeId
      expect(await codeOf(a.peers.dial(stranger, []))).toBe('peer-unreachable')
    })
  })
}
