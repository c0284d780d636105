import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STATUS } from '../../../rpc/schema/examples.ts'
import { HearsayError } from '../../../src/base/index.ts'
import { type CliOptions, runCli } from '../../support/cli.ts'
import { type Harness, startRpc } from '../../support/rpc-harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let rpc: Harness
beforeEach(async () => {
  rpc = await startRpc()
})
afterEach(() => rpc[Symbol.asyncDispose]())

const cli = (argv: string[], options?: CliOptions) =>
  runCli(['--socket', rpc.socketPath, ...argv], options)

describe('what a hook has missed', () => {
  it.each(['idle', 'retrying', 'off'])(
    'is in the status with its age, when it is %s',
    async (state) => {
      const clock = new VirtualClock()
      const missedAt = new Date(clock.now() - 7_200_000).toISOString()
      const [hook] = STATUS.hooks
      const shown = async (more: object) => {
        rpc.node.stub('node.status', () => ({ ...STATUS, hooks: [{ ...hook, state, ...more }] }))
        return (await cli(['status'], { clock })).stdout
      }
      expect(await shown({ missed: 3, missedAt })).toContain(', 3 missed, the last 2 h ago')
      expect(await shown({})).not.toContain('missed')
    },
  )

  it('is answered, and no longer counted, when its owner says that it was seen', async () => {
    const { code, stdout, stderr } = await cli(['hooks', 'ack', 'notify'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('3 missed, the last found at 2026-11-23T12:00:00.000Z')
    expect(rpc.node.callsOf('hooks.ack').map(({ params }) => params)).toEqual([{ hook: 'notify' }])
    const json = await cli(['--json', '--idempotency-key', 'k', 'hooks', 'ack', 'notify'])
    expect(JSON.parse(json.stdout)).toMatchObject({ hook: 'notify', missed: 3 })
    expect(rpc.node.callsOf('hooks.ack').at(-1)?.call?.idempotency?.key).toBe('k')
    rpc.node.stub('hooks.ack', () => ({ hook: 'notify', missed: 0, missedAt: null }))
    expect((await cli(['hooks', 'ack', 'notify'])).stderr).toContain('nothing was missed')
  })

  it('is asked of a hook that is there: 7 for none, 2 for what is no name', async () => {
    rpc.node.fail('hooks.ack', new HearsayError('not-found', 'there is no hook of this name'))
    const { code, stderr } = await cli(['hooks', 'ack', 'notfy'])
    expect([code, stderr]).toEqual([7, expect.stringContaining('no hook "notfy"')])
    expect((await cli(['hooks', 'ack', 'hook:notify'])).code).toBe(2)
  })
})
