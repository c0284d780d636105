import { describe, expect, it } from 'vitest'
import {
  encodeHeartbeat,
  HEARTBEAT_BYTES,
  isHeartbeatSigned,
  readHeartbeat,
} from '../../../src/directory/heartbeat.ts'
import { errorCode } from '../../support/outcome.ts'
import { T0, testNetwork, testNode } from './fixtures.ts'

const network = testNetwork()
const node = testNode(0)
const said = { nodeId: node.nodeId, isLeaving: false, at: T0 }
const bytes = encodeHeartbeat(network.id, said, node.sign)

describe('heartbeat', () => {
  it('has one encoding of one size, which its decoder gives back', () => {
    expect(bytes).toHaveLength(HEARTBEAT_BYTES)
    for (const isLeaving of [false, true]) {
      const each = { ...said, isLeaving }
      const encoded = encodeHeartbeat(network.id, each, node.sign)
      expect(readHeartbeat(encoded)).toEqual(each)
      expect(isHeartbeatSigned(network.id, each, encoded)).toBe(true)
    }
  })

  it('is refused when it is cut, longer, of another version or in another state', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(errorCode(() => readHeartbeat(bytes.slice(0, length)))).toBe('bad-length')
    }
    expect(errorCode(() => readHeartbeat(Uint8Array.of(...bytes, 0)))).toBe('trailing-bytes')
    expect(errorCode(() => readHeartbeat(bytes.with(0, 2)))).toBe('bad-version')
    expect(errorCode(() => readHeartbeat(bytes.with(33, 2)))).toBe('bad-value')
    // 2^63 ms.
    expect(errorCode(() => readHeartbeat(bytes.with(34, 0x80)))).toBe('bad-value')
  })

  it('is not signed any more with any bit flipped', () => {
    for (let at = 1; at < bytes.length; at++) {
      const flipped = bytes.with(at, bytes[at]! ^ (1 << (at % 8)))
      let isGood = false
      const code = errorCode(() => {
        isGood = isHeartbeatSigned(network.id, readHeartbeat(flipped), flipped)
      })
      expect(isGood).toBe(false)
      expect(['none', 'bad-value']).toContain(code)
    }
  })

  it('counts in its network only, and for its node only', () => {
    const other = testNetwork('lab')
    expect(isHeartbeatSigned(other.id, said, bytes)).toBe(false)
    const forged = encodeHeartbeat(network.id, said, testNode(1).sign)
    expect(isHeartbeatSigned(network.id, said, forged)).toBe(false)
  })
})
