import { resolve } from 'node:path'
import type { Command, Option } from 'commander'
import { EXIT, ExitError } from '../exit-codes.ts'
import {
  changeFaults,
  changeLinks,
  churn,
  type Direction,
  directions,
  type LinkFaults,
  type LinkTable,
  NO_FAULTS,
  parseNodes,
  parsePartition,
  type RelayReport,
  requireState,
  serveRelay,
  withTestnetLock,
} from '../testnet/index.ts'
import type { Context } from './context.ts'
import { formatDuration, parseDuration } from './duration.ts'
import type { Registry } from './registry.ts'
import { testnetPorts } from './testnet-support.ts'

const START_TIMEOUT_MS = 60_000
const PARTITION_HELP = `
  0,1,2|3,4,5      groups between which nothing passes; 0-2|* is shorter, * is the rest
  halves           the lower half of the nodes and the upper one
  isolate 3        one node alone
  ring             each node reaches the two beside it only
  one-way '0>1,2'  what node 0 sends does not reach 1 and 2`
const LINK_HELP = `
Both directions, unless --one-way; * is all nodes. Options replace what the link had; none: a clean link.
Loss is what TCP makes of it: lost segments come later, and all behind them wait. Nothing is missing.`

/** The commands that disturb a testnet: its links through the relay, its nodes by their processes. */
export function registerFaults(
  testnet: Command,
  registry: Registry,
  directory: () => Option,
): void {
  testnet
    .command('partition')
    .description('cut links between nodes until `heal`; replaces an earlier partition')
    .argument('<how...>')
    .addHelpText('after', PARTITION_HELP)
    .addOption(directory())
    .action(registry.action(partition))
  testnet
    .command('heal')
    .description('make all links clean again')
    .addOption(directory())
    .action(registry.action(heal))
  testnet
    .command('link')
    .description('make the links between nodes i and j slow, lossy or dead')
    .argument('<i>', 'a node, a list such as 0,2-4, or *')
    .argument('<j>')
    .option('--delay <duration>', 'what every byte takes, such as 50ms')
    .option('--jitter <duration>', 'the delay differs by up to this, either way')
    .option('--loss <percent>', 'segments that are lost and sent again, such as 5%')
    .option('--rate <rate>', 'bits per second, such as 256kbit or 8mbit')
    .option('--repeat <percent>', 'segments that come twice: somebody tampers with the wire')
    .option('--down', 'nothing passes')
    .option('--one-way', 'only what i sends to j')
    .addHelpText('after', LINK_HELP)
    .addOption(directory())
    .action(registry.action(link))
  testnet
    .command('churn')
    .description('stop nodes and start them again, at random, until Ctrl-C')
    .option('--session <duration>', 'mean time up', '60s')
    .option('--absence <duration>', 'mean time away', '30s')
    .option('--for <duration>', 'end after this', '20m')
    .option('--keep <list>', 'nodes that stay up, such as 0,1')
    .option('-9, --hard', 'SIGKILL instead of SIGTERM')
    .option('--seed <seed>', 'who is away when', '1')
    .addOption(directory())
    .action(registry.action(runChurn))
  testnet.command('relay', { hidden: true }).addOption(directory()).action(registry.action(relay))
}

/** `, 12 of 42 links cut, 3 disturbed`, and what to do when the relay is gone. */
export function relayNote({ state, links }: RelayReport, nodes: number): string | undefined {
  if (state === 'down') {
    return 'the relay between the nodes does not run: no node reaches another; hearsay testnet up starts it'
  }
  const all = Object.values(links)
  if (all.length === 0) return undefined
  const cut = all.filter(({ down }) => down).length
  return `${cut} of ${nodes * (nodes - 1)} links are cut, ${all.length - cut} disturbed; hearsay testnet heal`
}

interface Dir {
  readonly dir: string
}

async function partition(context: Context, how: string[], options: Dir): Promise<void> {
  const dir = resolve(options.dir)
  const state = requireState(dir)
  const cut = parsePartition(how, state.nodes.length)
  await changeFaults(context.io.clock, dir, state, (links) =>
    changeLinks(whole(links), cut, (faults) => ({ ...faults, down: true })),
  )
  context.out.note(`${context.out.ok} ${cut.length} links are cut, each direction counted`)
  context.out.data({ dir, partition: how.join(' '), cut }, '')
}

/** The links without what is cut; a partition leaves delays and losses as they are. */
function whole(links: LinkTable): LinkTable {
  const cut = Object.entries(links).flatMap(([key, faults]): Direction[] => {
    const [from, to] = key.split('>').map(Number)
    return faults.down && from !== undefined && to !== undefined ? [[from, to]] : []
  })
  return changeLinks(links, cut, (faults) => ({ ...faults, down: false }))
}

async function heal(context: Context, options: Dir): Promise<void> {
  const dir = resolve(options.dir)
  let healed = 0
  await changeFaults(context.io.clock, dir, requireState(dir), (links) => {
    healed = Object.keys(links).length
    return {}
  })
  context.out.note(`${context.out.ok} all links are clean; ${healed} were not`)
  context.out.data({ dir, healed }, '')
}

interface LinkFlags extends Dir {
  readonly delay?: string
  readonly jitter?: string
  readonly loss?: string
  readonly rate?: string
  readonly repeat?: string
  readonly down?: boolean
  readonly oneWay?: boolean
}

async function link(context: Context, i: string, j: string, options: LinkFlags): Promise<void> {
  const dir = resolve(options.dir)
  const state = requireState(dir)
  const [from, to] = [parseNodes(i, state.nodes.length), parseNodes(j, state.nodes.length)]
  const there = directions(from, to)
  const links = options.oneWay === true ? there : [...there, ...directions(to, from)]
  if (links.length === 0) {
    throw new ExitError(EXIT.usage, `there is no link from node ${i} to itself`)
  }
  const faults = parseFaults(options)
  await changeFaults(context.io.clock, dir, state, (table) =>
    changeLinks(table, links, () => faults),
  )
  const unique = new Set(links.map(String)).size
  context.out.note(`${context.out.ok} ${unique} links changed, each direction counted`)
  context.out.data({ dir, from, to, oneWay: options.oneWay === true, ...faults }, '')
}

function parseFaults(options: LinkFlags): LinkFaults {
  const { delay, jitter, loss, rate, repeat, down } = options
  return {
    ...NO_FAULTS,
    ...(delay === undefined ? {} : { delayMs: parseDuration(delay) }),
    ...(jitter === undefined ? {} : { jitterMs: parseDuration(jitter) }),
    ...(loss === undefined ? {} : { loss: parseShare('--loss', loss) }),
    ...(rate === undefined ? {} : { rateBps: parseRate(rate) }),
    ...(repeat === undefined ? {} : { repeat: parseShare('--repeat', repeat) }),
    ...(down === true ? { down } : {}),
  }
}

/** `5%` as 0.05. @throws ExitError 2 for anything but 0 to 100 per cent. */
function parseShare(what: string, text: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? []
  if (number === undefined || Number(number) > 100) {
    throw new ExitError(EXIT.usage, `${what} must look like 5%, from 0% to 100%`)
  }
  return Number(number) / 100
}

const RATE_UNITS = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 } as const

/** Bits per second. @throws ExitError 2 for anything but a positive number with its unit. */
function parseRate(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(bit|kbit|mbit|gbit)$/.exec(text) ?? []
  const rate = Number(number) * RATE_UNITS[(unit ?? 'bit') as keyof typeof RATE_UNITS]
  if (!(rate > 0)) throw new ExitError(EXIT.usage, '--rate must look like 256kbit or 8mbit')
  return rate
}

interface ChurnFlags extends Dir {
  readonly session: string
  readonly absence: string
  readonly for: string
  readonly keep?: string
  readonly hard?: boolean
  readonly seed: string
}

async function runChurn(context: Context, options: ChurnFlags): Promise<number> {
  const dir = resolve(options.dir)
  const state = requireState(dir)
  const keep = options.keep === undefined ? [] : parseNodes(options.keep, state.nodes.length)
  const report = await withTestnetLock(dir, () =>
    churn(
      testnetPorts(context),
      {
        dir,
        sessionMs: parseDuration(options.session),
        absenceMs: parseDuration(options.absence),
        forMs: parseDuration(options.for),
        seed: options.seed,
        keep,
        hard: options.hard === true,
        startTimeoutMs: context.timeoutMs(START_TIMEOUT_MS),
      },
      context.signal,
    ),
  )
  const { stops, starts, failures, durationMs } = report
  context.out.note(
    `${context.out.ok} ${stops} stops and ${starts} starts in ${formatDuration(durationMs)}; all nodes run`,
  )
  for (const failure of failures) context.out.alert(failure)
  context.out.data({ dir, ...report }, '')
  return failures.length === 0 ? EXIT.ok : EXIT.notReady
}

/** What `testnet up` starts: it stays until SIGTERM. */
async function relay(context: Context, options: Dir): Promise<void> {
  await serveRelay({ clock: context.io.clock }, resolve(options.dir), context.signal)
}
