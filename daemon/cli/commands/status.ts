import type { Command } from 'commander'
import type { NodeStatus, WaitTarget } from '../../../src/node/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { unlessSilent, waitInSteps } from '../../waiting.ts'
import type { Context } from '../context.ts'
import { formatDuration } from '../duration.ts'
import type { Registry } from '../registry.ts'
import { catchUpText, statusText } from '../status-text.ts'

const WATCH_MS = 1_000
const WAIT_TIMEOUT_MS = 30_000
const STEP_MS = 500
const BAR_WIDTH = 24
const TARGET = /^(ready|linked|caught-up|peers=[1-9]\d{0,3})$/

export function register(program: Command, registry: Registry): void {
  program
    .command('status')
    .description('what the daemon does, how well it protects, and what is wrong')
    .option('--watch', 'show it again every second')
    .action(registry.action(status))
  program
    .command('wait')
    .description(
      'wait until the daemon is ready, linked to its network, caught up after an absence, or has N peers',
    )
    .option('--for <target>', 'ready, linked, caught-up or peers=N', 'ready')
    .action(registry.action(wait))
  program
    .command('doctor')
    .description(
      'check storage, disk space, network, peers, gossip, reachability and cover, and name a fix for each fault',
    )
    .argument('[checks...]', 'only these checks')
    .action(registry.action(doctor))
}

async function status(context: Context, options: { watch?: boolean }): Promise<void> {
  const { io, out } = context
  await context.withRpc(async (rpc) => {
    for (;;) {
      const view = await unlessSilent(context.waiting, 0, (signal) =>
        rpc.call('node.status', {}, signal),
      )
      const clear =
        options.watch === true && io.stdout.isTTY && !out.json ? '\u001b[H\u001b[2J' : ''
      out.data(view, clear + statusText(view, out, io.clock.now()))
      if (options.watch !== true) return
      await io.clock.sleep(WATCH_MS, context.signal)
    }
  })
}

async function wait(context: Context, options: { for: string }): Promise<void> {
  if (!isTarget(options.for)) {
    throw new ExitError(
      EXIT.usage,
      `cannot wait for "${options.for}"`,
      'use ready, linked, caught-up or peers=N',
    )
  }
  const timeoutMs = context.timeoutMs(WAIT_TIMEOUT_MS)
  context.out.progress(`waiting until ${options.for} …`)
  try {
    const view =
      options.for === 'caught-up'
        ? await caughtUp(context, timeoutMs)
        : await waitFor(context, options.for, timeoutMs)
    context.out.data(view, '')
    context.out.note(`${context.out.ok} ${view.state}, ${view.link}, ${view.peers} peers`)
  } catch (error) {
    const isLate = error instanceof RpcFailure && error.kind === 'TIMEOUT'
    if (!isLate) throw error
    throw new ExitError(
      EXIT.notReady,
      `not ${options.for} after ${formatDuration(timeoutMs)}`,
      'hearsay status says what is missing',
    )
  }
}

async function waitFor(context: Context, target: WaitTarget, ms: number): Promise<NodeStatus> {
  return waitInSteps(context.waiting, ms, (timeoutMs, signal) =>
    context.call('node.wait', { for: target, timeoutMs }, signal),
  )
}

/** Waits in steps, and shows how far it is. */
async function caughtUp(context: Context, timeoutMs: number): Promise<NodeStatus> {
  const { clock } = context.io
  const deadline = clock.monotonic() + timeoutMs
  return context.withRpc(async (rpc) => {
    for (;;) {
      const view = await unlessSilent(context.waiting, 0, (signal) =>
        rpc.call('node.status', {}, signal),
      )
      if (view.catchUp.phase === 'done') return view
      const { done, total } = view.catchUp
      const text = catchUpText(view.catchUp)
      if (text !== '') context.out.progress(`${bar(done, total)} ${text}`)
      const left = deadline - clock.monotonic()
      if (left <= STEP_MS) {
        return waitInSteps(context.waiting, Math.max(1, left), (ms, signal) =>
          rpc.call('node.wait', { for: 'caught-up', timeoutMs: ms }, signal),
        )
      }
      await clock.sleep(STEP_MS, context.signal)
    }
  })
}

/** `████████░░░░` for two of three. */
function bar(done: number, total: number): string {
  const filled = total === 0 ? 0 : Math.round((BAR_WIDTH * Math.min(done, total)) / total)
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
}

function isTarget(text: string): text is WaitTarget {
  return TARGET.test(text)
}

async function doctor(context: Context, checks: string[]): Promise<number> {
  const { out } = context
  const result = await context.call('node.doctor', checks.length === 0 ? {} : { checks })
  const lines = result.checks.map(
    ({ name, ok, detail, fix }) =>
      `${ok ? out.ok : out.bad} ${name}: ${detail}\n${ok || fix === undefined ? '' : `  fix: ${fix}\n`}`,
  )
  out.data(result, lines.join(''))
  return result.checks.every(({ ok }) => ok) ? EXIT.ok : EXIT.rpcError
}
