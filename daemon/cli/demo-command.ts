import { resolve } from 'node:path'
import {
  defaultPreset,
  demo,
  MAX_NODES,
  type NodeReport,
  parseNumber,
  reportTable,
  type SmokeReport,
  withTestnetLock,
} from '../testnet/index.ts'
import type { Context } from './context.ts'
import {
  DEFAULT_TESTNET_DIR,
  newRunId,
  saveSmoke,
  smokeExit,
  testnetPorts,
} from './testnet-support.ts'

const START_TIMEOUT_MS = 120_000
const CONTACTS_TIMEOUT_MS = 180_000
const MESSAGES_TIMEOUT_MS = 120_000
const PARENT_POLL_MS = 1_000

interface DemoFlags {
  readonly dir: string
  readonly nodes: string
  readonly once?: boolean
}

/** `hearsay testnet demo`: what `npm start` runs. */
export async function runDemo(context: Context, options: DemoFlags): Promise<number> {
  const { out } = context
  const dir = resolve(options.dir)
  const nodes = parseNumber('--nodes', options.nodes, 2, MAX_NODES)
  const signal = AbortSignal.any([context.signal, npmHasGone(context)])
  out.note(`starting ${nodes} nodes in ${dir}, each a daemon process of its own`)
  const report = await withTestnetLock(dir, () =>
    demo(
      testnetPorts(context),
      {
        dir,
        nodes,
        preset: defaultPreset(nodes),
        seed: '1',
        runId: newRunId(context),
        startTimeoutMs: START_TIMEOUT_MS,
        contactsTimeoutMs: CONTACTS_TIMEOUT_MS,
        messagesTimeoutMs: MESSAGES_TIMEOUT_MS,
        show: async (_state, reports, result) => {
          saveSmoke(dir, result)
          present(context, reports, result)
          if (options.once === true) return
          out.note(howToTalk(reports, options.dir))
          await aborted(signal)
        },
      },
      signal,
    ),
  )
  // Ctrl-C after the result is how the demo ends, not a failure.
  return smokeExit(report)
}

function present(context: Context, nodes: NodeReport[], smoke: SmokeReport): void {
  context.out.data({ nodes, smoke }, `\n${reportTable(nodes, smoke)}`)
}

function howToTalk(nodes: readonly NodeReport[], dir: string): string {
  const [first, second] = nodes
  const at = dir === DEFAULT_TESTNET_DIR ? '' : ` --dir ${dir}`
  return `
The network stays up until Ctrl-C. In another terminal:

  ./hearsay testnet exec${at} 0 send node-1 "hello" --wait
  ./hearsay testnet exec${at} 1 listen
  ./hearsay testnet exec${at} 0 status
  ./hearsay testnet kill ${nodes.length - 1} -9${at}   and   ./hearsay testnet report${at}

  HEARSAY_HOME=${second?.home ?? ''} ./hearsay history
  curl --unix-socket ${first?.rpc ?? ''} -H 'Content-Type: application/json' \\
    -d '{"jsonrpc":"2.0","id":1,"method":"node.status"}' http://localhost/rpc
`
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolvePromise) => {
    if (signal.aborted) resolvePromise()
    else signal.addEventListener('abort', () => resolvePromise(), { once: true })
  })
}

/** Aborts when `npm start` started us and npm is gone: killed outright, it cannot pass a signal on. */
function npmHasGone(context: Context): AbortSignal {
  const controller = new AbortController()
  if (context.io.env.npm_lifecycle_event === undefined) return controller.signal
  const parent = process.ppid
  const watch = () => {
    if (process.ppid === parent) context.io.clock.setTimer(PARENT_POLL_MS, watch)
    else controller.abort(new Error('npm has ended'))
  }
  watch()
  return controller.signal
}
