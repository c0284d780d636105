import { describe, expect, it } from 'vitest'
import { LineClient, startRpc } from '../../support/rpc-harness.ts'

describe('the unix socket', () => {
  it('answers rpc.ping and node.status line by line', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    const ping = await client.call('rpc.ping', { nonce: 'n' })
    expect(ping).toMatchObject({ jsonrpc: '2.0', id: 1, result: { nonce: 'n' } })
    const status = await client.call('node.status')
    expect(status.result).toMatchObject({ state: 'running', peers: 5 })
  })
})
