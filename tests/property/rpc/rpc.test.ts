import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REGISTRY } from '../../../rpc/index.ts'
import { canonicalJson } from '../../../rpc/server/idempotency.ts'
import { unsafeJson } from '../../../rpc/server/safe-json.ts'
import { LineSplitter } from '../../../rpc/transport/ndjson.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const METHODS = [...REGISTRY.keys()]

describe('lines', () => {
  it('come out as they went in, however the stream is cut', () => {
    const line = fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b.filter((x) => x !== 10)))
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(60)), (lines, cuts) => {
        const stream = Buffer.concat(lines.flatMap((each) => [each, Buffer.from('\n')]))
        const splitter = new LineSplitter()
        const out: Buffer[] = []
        let at = 0
        for (const cut of [...cuts, stream.length]) {
          out.push(...splitter.push(stream.subarray(at, at + cut)).map((each) => Buffer.from(each)))
          at += cut
        }
        expect(splitter.rest).toBe(0)
        expect(out.map((each) => each.toString('hex'))).toEqual(
          lines.map((each) => each.toString('hex')),
        )
      }),
    )
  })
})

describe('canonical JSON', () => {
  it('is equal exactly for equal values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const read: unknown = JSON.parse(canonicalJson(a))
        expect(canonicalJson(read)).toBe(canonicalJson(a))
        expect(read).toEqual(JSON.parse(JSON.stringify(a)))
        const same = isDeepStrictEqual(read, JSON.parse(JSON.stringify(b)))
        expect(canonicalJson(a) === canonicalJson(b)).toBe(same)
      }),
    )
  })
})

describe('any JSON value', () => {
  it('that is declared safe has no prototype name anywhere', () => {
    const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'prototype'))
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.string(),
        fc.array(tie('node')),
        fc.dictionary(key, tie('node')),
      ),
    })).node
    fc.assert(
      fc.property(tree, (value) => {
        const text = JSON.stringify(value)
        const poisoned = /"(__proto__|constructor|prototype)":/.test(text)
        const parsed: unknown = JSON.parse(text)
        expect(unsafeJson(parsed) === undefined && poisoned).toBe(false)
      }),
    )
  })

  it('as a request gets an answer of JSON-RPC or none, and never a stack', async () => {
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom(...METHODS), fc.constant('2.0'))
    const request = fc.record(
      {
        jsonrpc: fc.oneof(fc.constant('2.0'), member),
        method: fc.oneof(fc.constantFrom(...METHODS), member),
        params: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), member),
        id: fc.oneof(fc.nat(), member),
      },
      { requiredKeys: [] },
    )
    const rpc = new DispatchHarness()
    const wellFormed = (each: Record<string, unknown>) =>
      each['jsonrpc'] === '2.0' &&
      'id' in each &&
      'result' in each !== 'error' in each &&
      !JSON.stringify(each).includes('    at ')
    const property = fc.asyncProperty(
      fc.oneof(request, fc.array(request), fc.jsonValue()),
      async (value) => {
        const answer = await rpc.answer(JSON.parse(JSON.stringify(value)))
        const answers = Array.isArray(answer) ? answer : answer === undefined ? [] : [answer]
        return (answers as Record<string, unknown>[]).every(wellFormed)
      },
    )
    await fc.assert(property, { numRuns: 300 })
    expect(rpc.log).toEqual([])
  })
})
