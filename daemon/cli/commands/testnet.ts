import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { selfCommand } from '../../background.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import {
  bringUp,
  canRelay,
  defaultPreset,
  isAlive,
  isCutOff,
  MAX_NODES,
  nodeReports,
  type NodeReport,
  type NodeState,
  parseNumber,
  parseParameters,
  PRESETS,
  type Preset,
  readState,
  relayReport,
  reportTable,
  requireNode,
  requireState,
  signalProcess,
  type SmokeReport,
  smoke,
  takeDown,
  verdict,
  waitGone,
  wipe,
  withTestnetLock,
} from '../../testnet/index.ts'
import type { Context } from '../context.ts'
import { runDemo } from '../demo-command.ts'
import { parseDuration } from '../duration.ts'
import type { Registry } from '../registry.ts'
import { registerFaults, relayNote } from '../testnet-faults.ts'
import {
  DEFAULT_TESTNET_DIR,
  newRunId,
  saveSmoke,
  smokeExit,
  smokeFile,
  testnetPorts,
} from '../testnet-support.ts'

const UP_TIMEOUT_MS = 120_000
const SMOKE_TIMEOUT_MS = 180_000
const STATUS_TIMEOUT_MS = 3_000
const KILL_TIMEOUT_MS = 15_000

const directory = () =>
  new Option('--dir <dir>', 'where the testnet keeps everything').default(DEFAULT_TESTNET_DIR)

export function register(program: Command, registry: Registry): void {
  const testnet = program
    .command('testnet')
    .description('a private network of several daemons on this machine')
  testnet
    .command('up')
    .description(
      'start the nodes, join them, and wait until all are linked; starts again what is down',
    )
    .option('--nodes <n>', 'how many (7)')
    .addOption(
      new Option('--preset <preset>', 'swift up to 12 nodes, lab above').choices([...PRESETS]),
    )
    .option(
      '--param <name=value>',
      'replace one parameter of the preset, such as boxRate=10; may be repeated',
      (word: string, words: string[] | undefined) => [...(words ?? []), word],
    )
    .option('--seed <seed>', 'order of the smoke test', '1')
    .option('--direct', 'no relay between the nodes: faster, and links cannot be disturbed')
    .addOption(directory())
    .action(registry.action(up))
  testnet
    .command('status')
    .description('how every node is')
    .addOption(directory())
    .action(registry.action(status))
  testnet
    .command('smoke')
    .description('send one message over every ordered pair and count what arrives')
    .option('--pairs <n>', 'only n pairs of nodes, drawn with the seed')
    .addOption(directory())
    .action(registry.action(runSmoke))
  testnet
    .command('exec')
    .description('run a hearsay command on node i: testnet exec 2 send node-0 hello')
    .argument('<i>')
    .argument('<command...>')
    .addOption(directory())
    .action(registry.action(exec))
  testnet
    .command('start')
    .description('start node i again after it was killed')
    .argument('<i>')
    .addOption(directory())
    .action(registry.action(start))
  testnet
    .command('kill')
    .description('stop node i; with -9 at once and without warning')
    .argument('<i>')
    .option('-9, --hard', 'SIGKILL')
    .addOption(directory())
    .action(registry.action(kill))
  testnet
    .command('pause')
    .description('freeze node i for some seconds')
    .argument('<i>')
    .argument('<duration>', 'seconds, or 500ms, 2m')
    .addOption(directory())
    .action(registry.action(pause))
  registerFaults(testnet, registry, directory)
  testnet
    .command('report')
    .description('a table of the nodes and of the last smoke test')
    .addOption(directory())
    .action(registry.action(report))
  testnet
    .command('down')
    .description('stop all nodes')
    .option('--wipe', 'also delete what they stored')
    .addOption(directory())
    .action(registry.action(down))
  testnet
    .command('demo')
    .description('start nodes, send messages between all pairs, show the result, stay until Ctrl-C')
    .option('--nodes <n>', 'how many', '7')
    .option('--once', 'end after the result; exit 0 only if all was delivered exactly once')
    .addOption(directory())
    .action(registry.action(runDemo))
}

interface Dir {
  readonly dir: string
}

interface UpFlags extends Dir {
  readonly nodes?: string
  readonly preset?: Preset
  readonly param?: readonly string[]
  readonly seed: string
  readonly direct?: boolean
}

async function up(context: Context, options: UpFlags): Promise<void> {
  const dir = resolve(options.dir)
  const reports = await withTestnetLock(dir, () => startAll(context, dir, options))
  context.out.data({ dir, nodes: reports.map(publicView) }, reportTable(reports, undefined))
  context.out.note(`next: hearsay testnet smoke --dir ${options.dir}`)
}

async function startAll(context: Context, dir: string, options: UpFlags): Promise<NodeReport[]> {
  const before = readState(dir)
  const nodes =
    options.nodes === undefined
      ? (before?.nodes.length ?? 7)
      : parseNumber('--nodes', options.nodes, 1, MAX_NODES)
  const state = await bringUp(
    testnetPorts(context),
    {
      dir,
      nodes,
      preset: options.preset ?? before?.preset ?? defaultPreset(nodes),
      ...(options.param === undefined ? {} : { parameters: parseParameters(options.param) }),
      seed: options.seed,
      tethered: false,
      relayed: canRelay() && options.direct !== true,
      timeoutMs: context.timeoutMs(UP_TIMEOUT_MS),
    },
    context.signal,
  )
  return nodeReports(testnetPorts(context), state, STATUS_TIMEOUT_MS)
}

/** The shape that scripts rely on. */
function publicView({ index, home, rpc, pid, peerId, state }: NodeReport) {
  return { index, home, rpc, pid, peerId, state }
}

async function status(context: Context, options: Dir): Promise<void> {
  const dir = resolve(options.dir)
  const state = requireState(dir)
  const nodes = await nodeReports(testnetPorts(context), state, STATUS_TIMEOUT_MS)
  const relay = relayReport(dir, state)
  context.out.data({ dir, preset: state.preset, relay, nodes }, reportTable(nodes, undefined))
  const note = relayNote(relay, state.nodes.length)
  if (note !== undefined) context.out.alert(note)
}

async function runSmoke(context: Context, options: Dir & { pairs?: string }): Promise<number> {
  const dir = resolve(options.dir)
  const state = requireState(dir)
  const timeoutMs = context.timeoutMs(SMOKE_TIMEOUT_MS)
  const result = await smoke(
    testnetPorts(context),
    state,
    {
      runId: newRunId(context),
      ...(options.pairs === undefined
        ? {}
        : { pairs: parseNumber('--pairs', options.pairs, 1, MAX_NODES * MAX_NODES) }),
      contactsTimeoutMs: timeoutMs,
      messagesTimeoutMs: timeoutMs,
    },
    context.signal,
  )
  saveSmoke(dir, result)
  context.out.data(result, verdict(result))
  return smokeExit(result)
}

async function report(context: Context, options: Dir): Promise<void> {
  const dir = resolve(options.dir)
  const state = requireState(dir)
  const file = smokeFile(dir)
  const last = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as SmokeReport)
    : undefined
  const nodes = await nodeReports(testnetPorts(context), state, STATUS_TIMEOUT_MS)
  context.out.data(
    { dir, preset: state.preset, nodes, smoke: last ?? null },
    reportTable(nodes, last),
  )
  if (last === undefined) context.out.note('no smoke test yet: hearsay testnet smoke')
}

async function exec(context: Context, i: string, words: string[], options: Dir): Promise<number> {
  const node = nodeAt(options.dir, i)
  const { file, args } = selfCommand()
  const { options: globals } = context
  const inherited = [
    ...(globals.json === true ? ['--json'] : []),
    ...(globals.timeout === undefined ? [] : ['--timeout', globals.timeout]),
  ]
  const child = spawn(file, [...args, ...inherited, '--home', node.home, ...words], {
    stdio: 'inherit',
    env: { ...context.io.env },
  })
  return new Promise((resolvePromise, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolvePromise(code ?? EXIT.rpcError))
  })
}

async function start(context: Context, i: string, options: Dir): Promise<void> {
  const dir = resolve(options.dir)
  const node = nodeAt(dir, i)
  if (node.process !== undefined && isAlive(node.process)) {
    context.out.note(`node ${i} is running`)
    context.out.data({ index: node.index, started: false }, '')
    return
  }
  const state = await withTestnetLock(dir, async () => {
    const state = requireState(dir)
    return bringUp(
      testnetPorts(context),
      {
        dir,
        nodes: state.nodes.length,
        preset: state.preset,
        seed: state.seed,
        tethered: false,
        timeoutMs: context.timeoutMs(UP_TIMEOUT_MS),
        only: [node.index],
      },
      context.signal,
    )
  })
  const isOff = isCutOff(state, relayReport(dir, state).links, node)
  context.out.note(
    isOff
      ? `${context.out.warn} node ${i} runs; all of its links are cut: hearsay testnet heal`
      : `${context.out.ok} node ${i} is linked`,
  )
  context.out.data({ index: node.index, started: true }, '')
}

async function kill(context: Context, i: string, options: Dir & { hard?: boolean }): Promise<void> {
  const node = nodeAt(options.dir, i)
  const ref = node.process
  const signalled =
    ref !== undefined && signalProcess(ref, options.hard === true ? 'SIGKILL' : 'SIGTERM')
  if (ref !== undefined && signalled) {
    const gone = await waitGone(ref, context.io.clock, context.timeoutMs(KILL_TIMEOUT_MS))
    if (!gone) {
      throw new ExitError(EXIT.unconfirmed, `node ${i} has not ended`, 'hearsay testnet kill -9')
    }
  }
  context.out.note(
    signalled ? `${context.out.ok} node ${i} has ended` : `node ${i} was not running`,
  )
  context.out.data({ index: node.index, killed: signalled }, '')
}

async function pause(context: Context, i: string, duration: string, options: Dir): Promise<void> {
  const ms = parseDuration(duration)
  const { process: ref, index } = nodeAt(options.dir, i)
  if (ref === undefined || !signalProcess(ref, 'SIGSTOP')) {
    throw new ExitError(EXIT.notFound, `node ${i} is not running`)
  }
  try {
    context.out.progress(`node ${i} is frozen for ${ms / 1000} s …`)
    await context.io.clock.sleep(ms, context.signal)
  } finally {
    signalProcess(ref, 'SIGCONT')
  }
  context.out.note(`${context.out.ok} node ${i} goes on`)
  context.out.data({ index, pausedMs: ms }, '')
}

async function down(context: Context, options: Dir & { wipe?: boolean }): Promise<void> {
  const dir = resolve(options.dir)
  const found = readState(dir)
  if (found === undefined) {
    context.out.note(`no testnet in ${dir}`)
    context.out.data({ dir, stopped: 0 }, '')
    return
  }
  const { stopped, forced } = await withTestnetLock(dir, async () => {
    context.out.progress('stopping …')
    const result = await takeDown(context.io.clock, requireState(dir))
    if (options.wipe === true) wipe(dir, found)
    return result
  })
  context.out.note(
    `${context.out.ok} ${stopped} nodes stopped${forced.length > 0 ? `, ${forced.length} of them by force` : ''}`,
  )
  context.out.data({ dir, stopped, forced: forced.length, wiped: options.wipe === true }, '')
}

function nodeAt(dir: string, i: string): NodeState {
  const state = requireState(resolve(dir))
  return requireNode(state, parseNumber('the node', i, 0, MAX_NODES))
}
