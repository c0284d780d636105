import type { Command } from 'commander'
import type { MessageState } from '../../../src/node/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { RpcFailure } from '../../../rpc/client/index.ts'
import type { Rpc } from '../../rpc-port.ts'
import { unlessSilent, waitInSteps } from '../../waiting.ts'
import type { Context } from '../context.ts'
import { formatDuration, rpcDuration } from '../duration.ts'
import { explain } from '../failures.ts'
import type { Registry } from '../registry.ts'

const WAIT_TIMEOUT_MS = 60_000
const MAX_BODY_BYTES = 262_144
const TARGETS = ['queued', 'sent', 'stored', 'delivered'] as const
const FAILED: readonly MessageState[] = ['failed', 'expired', 'cancelled']

interface SendOptions {
  /** `true` for the option without a state. */
  readonly wait?: string | true
  readonly now?: boolean
  readonly expires?: string
}

export function register(program: Command, registry: Registry): void {
  program
    .command('send')
    .description(
      'send a text; prints the message id. Without a text it is read from stdin, ' +
        'which other users of the machine cannot see',
    )
    .argument('<contact>', 'alias or id')
    .argument('[text...]')
    .option('--wait [state]', 'wait for queued, sent, stored or delivered (delivered)')
    .option('--now', 'do not wait for the hold after a start; it protects less')
    .option(
      '--expires <duration>',
      'report it as expired when it is not acknowledged by then; it may have arrived',
    )
    .action(registry.action(send))
}

async function send(
  context: Context,
  to: string,
  words: string[],
  options: SendOptions,
): Promise<number> {
  const { out } = context
  const wanted = options.wait === true ? 'delivered' : (options.wait ?? 'queued')
  const target = TARGETS.find((known) => known === wanted)
  if (target === undefined) {
    throw new ExitError(EXIT.usage, `cannot wait for "${wanted}"`, `use ${TARGETS.join(', ')}`)
  }
  const text = words.length > 0 ? words.join(' ') : await readBody(context)
  if (text === '') throw new ExitError(EXIT.usage, 'the message is empty')
  if (options.now === true) {
    out.note(`${out.warn} --now: an observer may link this message to the start of this node`)
  }
  return context.withRpc(async (rpc) => {
    const started = context.io.clock.monotonic()
    const { messageId } = await rpc.call(
      'messages.send',
      context.keyed({
        to,
        body: { text },
        ...(options.now === true ? { now: true } : {}),
        ...(options.expires === undefined ? {} : { expiresIn: rpcDuration(options.expires) }),
      }),
    )
    if (!out.json) out.data(messageId, messageId)
    // However the wait ends: it is accepted, and whoever does not learn that, or its id, sends it again.
    const end: Follow =
      target === 'queued'
        ? { state: target }
        : await follow(context, rpc, messageId, target).catch(unseen)
    const elapsedMs = Math.round(context.io.clock.monotonic() - started)
    if (out.json) out.data({ messageId, state: end.state, elapsedMs }, '')
    if (end.failure === undefined) return conclude(context, { state: end.state, target, elapsedMs })
    context.signal.throwIfAborted()
    explain(out, end.failure)
    out.alert(`hearsay: it was accepted; hearsay history ${to} shows what became of it`)
    return EXIT.unconfirmed
  })
}

/** How far a message is known to be, and what kept this command from seeing more. */
interface Follow {
  readonly state: MessageState
  readonly failure?: unknown
}

const unseen = (failure: unknown): Follow => ({ state: 'queued', failure })

/** Reads the message; one newline at the end belongs to the terminal, not to the message. */
async function readBody(context: Context): Promise<string> {
  return (await context.readStdin(MAX_BODY_BYTES, 'Type the message')).replace(/\r?\n$/, '')
}

/** The state reached when the time is over or the target is met. */
async function follow(
  context: Context,
  rpc: Rpc,
  messageId: string,
  target: MessageState,
): Promise<Follow> {
  const { out, waiting } = context
  const params = { messageId, state: target }
  out.progress(`queued, waiting until ${target} …`)
  try {
    const ms = context.timeoutMs(WAIT_TIMEOUT_MS)
    return await waitInSteps(waiting, ms, (timeoutMs, signal) =>
      rpc.call('messages.wait', { ...params, timeoutMs }, signal),
    )
  } catch (error) {
    if (!(error instanceof RpcFailure) || error.kind !== 'TIMEOUT') throw error
    return unlessSilent(waiting, 0, (signal) => rpc.call('messages.get', { messageId }, signal))
  }
}

function conclude(
  context: Context,
  end: { state: MessageState; target: string; elapsedMs: number },
): number {
  const { out } = context
  const { state, target, elapsedMs } = end
  if (FAILED.includes(state)) {
    out.alert(`${out.bad} ${state} after ${formatDuration(elapsedMs)}`)
    return EXIT.rpcError
  }
  const order: readonly string[] = [...TARGETS, 'read']
  if (order.indexOf(state) >= order.indexOf(target)) {
    if (target !== 'queued') out.note(`${out.ok} ${state} in ${formatDuration(elapsedMs)}`)
    return EXIT.ok
  }
  out.alert(
    `hearsay: accepted and ${state}, but not ${target} after ${formatDuration(elapsedMs)}; ` +
      'the daemon goes on trying',
  )
  return EXIT.unconfirmed
}
