import { Namespaces } from '../support/namespaces.ts'
import { PacketWire } from '../support/packet-wire.ts'

const PORT = 7_760
/** 10.1.0.0/24 is the first machine's. */
const FIRST_NET = 1

export interface Program {
  readonly file: string
  readonly args: readonly string[]
}

/**
 * A machine of its own for every node of a run, and one more: network namespaces behind one router. Whatever speaks
 * with a node over its socket can be anywhere.
 */
export class Hosts {
  readonly #namespaces = new Namespaces()
  readonly #addresses: string[] = []
  #wire: PacketWire | undefined
  /** Nodes that are on another machine than that of their number. */
  readonly #moved = new Map<number, { readonly machine: number; readonly port: number }>()

  /** `count`: the nodes. @throws Error where `missing` says why. */
  constructor(count: number) {
    try {
      for (let machine = 0; machine <= count; machine++) {
        this.#addresses.push(this.#namespaces.add(`machine${machine}`, FIRST_NET + machine))
      }
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** Why this computer cannot do it; undefined where it can. */
  static missing(): string | undefined {
    return Namespaces.missing()
  }

  /** From now on a program carries the packets, and does to them what it is told. The machines have been added. */
  wired(seed: string): PacketWire {
    this.#namespaces.cutRouter()
    const nets = this.#addresses.map((_, machine) => FIRST_NET + machine)
    this.#wire = new PacketWire(this.#namespaces, { nets, seed })
    return this.#wire
  }

  /** Programs that belong to the machines, not to the nodes. */
  get pids(): readonly number[] {
    const pid = this.#wire?.pid
    return pid === undefined ? [] : [pid]
  }

  /** The multiaddr of a node. */
  addressOf(node: number): string {
    const { machine, port } = this.#placeOf(node)
    return `/ip4/${this.#addresses[machine]}/tcp/${port}`
  }

  /** What starts a program on the machine of a node, under the pid that the start returns. */
  on(node: number, { file, args }: Program): Program {
    const [first, ...rest] = this.#namespaces.on(`machine${this.#placeOf(node).machine}`)
    return { file: first, args: [...rest, file, ...args] }
  }

  /** A node that does not run is from now on where none is, at another port. */
  move(node: number): void {
    const taken = new Set(this.#addresses.slice(1).map((_, other) => this.#placeOf(other).machine))
    const machine = this.#addresses.findIndex((_, each) => !taken.has(each))
    this.#moved.set(node, { machine, port: this.#placeOf(node).port + 1 })
  }

  /** After everything that ran there has ended. */
  remove(): void {
    this.#wire?.close()
    this.#namespaces.remove()
  }

  #placeOf(node: number): { readonly machine: number; readonly port: number } {
    return this.#moved.get(node) ?? { machine: node, port: PORT }
  }
}
