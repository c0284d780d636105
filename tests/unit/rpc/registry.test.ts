import { readFileSync } from 'node:fs'
import { validateOpenRPCDocument } from '@open-rpc/schema-utils-js'
import { describe, expect, it } from 'vitest'
import { openRpcDocument, REGISTRY, RPC_ERRORS } from '../../../rpc/index.ts'
import { EPOCH } from '../../../rpc/schema/examples.ts'
import { staleDocs } from '../../../scripts/generate-docs.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const METHODS = [...REGISTRY.values()]

describe('the registry', () => {
  it.each(METHODS)('$name has an example that fits its schemas', ({ example, params, result }) => {
    expect(params.safeParse(example.params).error).toBeUndefined()
    expect(result.safeParse(example.result).error).toBeUndefined()
  })

  it('takes an idempotency key on mutations and on nothing else', () => {
    for (const { name, params, mutation, example } of METHODS) {
      const keyed = params.safeParse({ ...example.params, idempotencyKey: 'k-1' })
      expect([name, keyed.success]).toEqual([name, mutation])
    }
  })

  it('has an export of the same words for every method', async () => {
    const { HANDLERS } = await import('../../../rpc/methods/index.ts')
    expect(Object.keys(HANDLERS).sort()).toEqual([...REGISTRY.keys()].sort())
  })

  it('names only errors of the table, each once', () => {
    for (const { name, errors } of METHODS) {
      expect([name, new Set(errors).size]).toEqual([name, errors.length])
      for (const error of errors) expect(RPC_ERRORS).toHaveProperty(error)
    }
  })

  it('answers every example by a result that fits', async () => {
    const rpc = new DispatchHarness()
    rpc.node.epoch = EPOCH
    for (let i = 0; i < 42; i++) rpc.node.append()
    await rpc.node.events.consumers.create({ name: 'bot', from: 'start' }, {})
    for (const { name, example } of METHODS) {
      const reply = await rpc.call(name, example.params)
      expect([name, reply.error]).toEqual([name, undefined])
    }
  })
})

describe('OpenRPC', () => {
  it('is valid by the tools of its authors', () => {
    expect(validateOpenRPCDocument(openRpcDocument() as never)).toBe(true)
  })

  it('is what rpc.discover answers, and has every method', async () => {
    const { result } = await new DispatchHarness().call('rpc.discover')
    expect(result).toEqual(openRpcDocument())
    const names = (result as { methods: { name: string }[] }).methods.map(({ name }) => name)
    expect(names).toEqual([...REGISTRY.keys()])
  })
})

describe('the generated reference', () => {
  it('is up to date', () => {
    expect(staleDocs()).toEqual([])
  })

  it('describes every method', () => {
    const text = readFileSync('docs/rpc.md', 'utf8')
    for (const name of REGISTRY.keys()) expect(text).toContain(`### ${name}\n`)
  })
})
