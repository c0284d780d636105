import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from '../../src/base/index.ts'
import type { Namespaces } from './namespaces.ts'

/** What happens to each packet between two hosts. */
export interface PacketFaults {
  /** Share of packets that are lost, 0 to 1, in bursts of a mean length. */
  readonly loss?: number
  readonly burst?: number
  /** Of one direction. */
  readonly delayMs?: number
  /** Up to so much more or less; the order stays. */
  readonly jitterMs?: number
  /** Bits a second of each pair of hosts and direction. */
  readonly rateBps?: number
  /** Share of packets that come twice. */
  readonly repeat?: number
  /** Packets a second that come again at least `replayAgeMs` after they had passed. */
  readonly replays?: number
  readonly replayAgeMs?: number
}

/** What happened to packets so far, by the words of the program. */
export type PacketCounts = Readonly<Record<string, number>>

const ANSWER_MS = 5_000

/**
 * Carries the packets between hosts in place of their router, so that each can be lost, late, doubled and played again
 * below TCP, where networks do it: a program in Python, because Node opens no packet sockets.
 */
export class PacketWire {
  readonly #child: ChildProcess
  readonly #answers: ((line: string | undefined) => void)[] = []

  /** Why this machine cannot do it; undefined where it can, if it can have namespaces. */
  static missing(): string | undefined {
    return spawnSync('python3', ['--version']).error?.message
  }

  /** `nets`: those of the hosts, all of which have been added. */
  constructor(
    namespaces: Namespaces,
    options: { readonly nets: readonly number[]; readonly seed: string },
  ) {
    const [file, ...args] = namespaces.onRouter()
    const program = join(import.meta.dirname, 'packet-wire.py')
    this.#child = spawn(
      file,
      [...args, 'python3', program, options.seed, ...options.nets.map(String)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    const { stdout } = this.#child
    if (stdout === null) throw new Error('the wire has no output')
    createInterface({ input: stdout })
      .on('line', (line) => this.#answers.shift()?.(line))
      .on('close', () => {
        for (const answer of this.#answers.splice(0)) answer(undefined)
      })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Replaces all faults; none of those that are left out. Resolves when they are in force. */
  async set(faults: PacketFaults): Promise<void> {
    await this.#ask(JSON.stringify(faults))
  }

  /** What happened so far; changes nothing. */
  async counts(): Promise<PacketCounts> {
    return JSON.parse(await this.#ask('')) as PacketCounts
  }

  /** No packet passes any more. */
  close(): void {
    this.#child.stdin?.end()
    this.#child.kill()
  }

  async #ask(line: string): Promise<string> {
    const answer = new Promise<string | undefined>((resolve) => {
      this.#answers.push(resolve)
      systemClock.setTimer(ANSWER_MS, () => resolve(undefined))
    })
    this.#child.stdin?.write(`${line}\n`)
    const said = await answer
    if (said === undefined) throw new Error('the wire has ended, or does not answer')
    return said
  }
}
