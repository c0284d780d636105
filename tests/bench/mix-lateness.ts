import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchResult } from './box.ts'
import { Child, mean, percentile, rounded } from './mix-child.ts'
import { linked, type NodeChild, planFleet } from './mix-fleet.ts'
import type { Phase } from './mix-node.ts'
import { LONG_TASK_MS } from './mix-probe.ts'

const FILE = './mix-node.ts'
const NODES = 7
const LINK_MS = 90_000
const CONTACTS_MS = 180_000
/** Compiler and caches have settled, and the first Kademlia look-ups are over. */
const SETTLE_MS = 10_000
const IDLE_MS = 30_000
const LOADED_MS = 30_000
const BUSY_MS = 60_000
const PROFILED_MS = 20_000
/** Load of the main loop, in tasks of at most `TASK_MS`. */
const LOAD = 0.7
const TASK_MS = 1
/** Boxes that each neighbour adds and the others get from it by reconciliation. */
const STUFF = { boxes: 40, everyMs: 5_000 }
/** A new contact at all times: each is a key exchange of four jobs. */
const NEW_CONTACT_MS = 10_000

const LOADED_P99_MS = 5
const BUSY_P99_MS = 20
const MEAN_SHARE = 0.5
/** A machine on which an idle node is later than this says nothing about the node. */
const QUIET_P99_MS = 5

async function phase(node: NodeChild, ms: number): Promise<Phase> {
  await node.call('beginPhase', undefined)
  await sleep(ms)
  return node.call('endPhase', undefined)
}

async function befriend(node: NodeChild, others: NodeChild, other: number, name: string) {
  const uri = await node.call('invite', { node: 0, alias: name })
  await others.call('accept', { node: other, uri, alias: name })
}

/** Makes the first contacts, so that there is somebody to write to. */
async function befriendAll(node: NodeChild, others: NodeChild): Promise<void> {
  for (let other = 0; other < NODES - 1; other++) {
    await befriend(node, others, other, `first-${other}`)
  }
  const end = performance.now() + CONTACTS_MS
  while ((await node.call('ready', undefined)) < NODES - 1) {
    if (performance.now() > end) throw new Error('the key exchanges did not end in time')
    await sleep(250)
  }
}

/** Everything at once: texts at full rate, commits, key exchanges, reconciliation in both directions. */
async function busily<T>(node: NodeChild, others: NodeChild, during: () => Promise<T>): Promise<T> {
  let isOver = false
  const contacts = async () => {
    for (let turn = 0; !isOver; turn++) {
      await befriend(node, others, turn % (NODES - 1), `later-${performance.now()}`)
      await sleep(NEW_CONTACT_MS)
    }
  }
  await node.call('work', { ...STUFF, boxes: 0, commits: true })
  await others.call('work', { ...STUFF, commits: false })
  const meeting = contacts()
  try {
    return await during()
  } finally {
    isOver = true
    await Promise.all([node.call('rest', undefined), others.call('rest', undefined)])
    await meeting
  }
}

interface Measured {
  readonly idle: Phase
  readonly loaded: Phase
  readonly busy: Phase
  readonly who: string
}

async function measure(node: NodeChild, others: NodeChild): Promise<Measured> {
  await befriendAll(node, others)
  await sleep(SETTLE_MS)
  const before = await phase(node, IDLE_MS)
  await node.call('load', { share: LOAD, taskMs: TASK_MS })
  const loaded = await phase(node, LOADED_MS)
  await node.call('rest', undefined)
  const busy = await busily(node, others, () => phase(node, BUSY_MS))
  await sleep(SETTLE_MS)
  const after = await phase(node, IDLE_MS)
  const tasks = await busily(node, others, async () => {
    await node.call('beginProfile', undefined)
    await sleep(PROFILED_MS)
    return node.call('endProfile', { count: 3 })
  })
  const idle = {
    ...before,
    lateMs: [...before.lateMs, ...after.lateMs],
    longestMs: Math.max(before.longestMs, after.longestMs),
    longestOwnMs: Math.max(before.longestOwnMs, after.longestOwnMs),
    long: before.long + after.long,
    jobs: before.jobs + after.jobs,
  }
  const who = tasks.map((task) => `${rounded(task.ms, 1)} ms ${task.in}`).join('; ')
  return { idle, loaded, busy, who }
}

function results({ idle, loaded, busy, who }: Measured, slotMs: number): BenchResult[] {
  const quiet = percentile(idle.lateMs, 0.99)
  const isQuiet = quiet <= QUIET_P99_MS
  // Without a target there is no verdict.
  const goal = (target: number) => (isQuiet ? { target } : {})
  const doubt = isQuiet ? '' : `inconclusive: idle p99 is ${rounded(quiet, 1)} ms; `
  const difference = Math.abs(mean(busy.lateMs) - mean(idle.lateMs))
  const detail = ({ lateMs, longestMs, longestOwnMs, long, busy: share, jobs }: Phase) =>
    `${doubt}${lateMs.length} packets, ${jobs} jobs, p50 ${rounded(percentile(lateMs, 0.5), 1)}, max ${rounded(Math.max(...lateMs), 1)} ms; ` +
    `loop ${rounded(100 * share, 0)} % busy, longest turn ${rounded(longestOwnMs, 1)} ms (${rounded(longestMs, 1)} when others took the core), ${long} above ${LONG_TASK_MS} ms`
  const late = (name: string, of: Phase, target: number): BenchResult => ({
    name: `slot lateness at the write, p99: ${name}`,
    value: rounded(percentile(of.lateMs, 0.99)),
    unit: 'ms',
    ...goal(target),
    note: detail(of),
  })
  return [
    late('idle', idle, QUIET_P99_MS),
    late(`${LOAD * 100} % load in tasks of ${TASK_MS} ms`, loaded, LOADED_P99_MS),
    late('commits, key exchanges, reconciliation, texts at full rate', busy, BUSY_P99_MS),
    {
      name: 'slot lateness, means of busy and idle apart',
      value: rounded((100 * difference) / slotMs),
      unit: '% of the slot',
      ...goal(MEAN_SHARE),
      note: `${doubt}${rounded(mean(busy.lateMs))} and ${rounded(mean(idle.lateMs))} ms`,
    },
    {
      name: 'main loop, busy: longest turn',
      value: rounded(busy.longestOwnMs, 1),
      unit: 'ms',
      ...goal(LONG_TASK_MS),
      note: `${doubt}may be several tasks and a collection of garbage; longest by samples of the stack: ${who}`,
    },
  ]
}

/** When a node's packets leave, whatever its user and its neighbours do. About four minutes. */
export async function benchLateness(): Promise<BenchResult[]> {
  const dir = mkdtempSync(join(tmpdir(), 'hb-late-'))
  const plan = await planFleet({
    nodes: NODES,
    preset: 'swift',
    second: 61,
    dirOf: (index) => join(dir, `node-${index}`),
  })
  const node: NodeChild = Child.start(FILE)
  const others: NodeChild = Child.start(FILE)
  try {
    const [first, ...rest] = plan.nodes
    await others.call('start', {
      plans: [first, ...rest.slice(1)].flatMap((each) => each ?? []),
      file: plan.file,
    })
    await node.call('start', { plans: rest.slice(0, 1), file: plan.file })
    await linked([node, others], NODES, LINK_MS)
    return results(await measure(node, others), plan.network.parameters.slotMs)
  } finally {
    await Promise.all([node.end(), others.end()])
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main) console.table(await benchLateness())
