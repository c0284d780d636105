import { join } from 'node:path'
import { EXIT, ExitError } from '../exit-codes.ts'
import { canBind, freePort } from '../free-port.ts'
import { type Environment, type Home, resolveHome } from '../home.ts'
import type { Preset } from './state.ts'

export const MAX_NODES = 100
/** The preset `swift` is made for at most this many nodes on one machine. */
const SWIFT_NODES = 12
/** Above the number of every node, and with all of them below 256. */
const HIDDEN_HOSTS = 128

/** Where the home of node `index` is. */
export function nodeHome(dir: string, index: number, env: Environment): Home {
  return resolveHome(join(dir, `node-${index}`), env)
}

/** `127.i.0.1`: each node has its own address, as on real machines. */
export function nodeHost(index: number): string {
  return `127.${index}.0.1`
}

/** Where node `index` listens when the relay has its address. */
function hiddenHost(index: number): string {
  return `127.${HIDDEN_HOSTS + index}.0.1`
}

/** Where node `from` seems to come from when the relay passes its connection on. */
export function relaySource(from: number): string {
  return `127.${HIDDEN_HOSTS + from}.0.2`
}

/** True where a relay can stand between the nodes: it asks Linux whose a connection is. */
export function canRelay(): boolean {
  return process.platform === 'linux'
}

export interface NodeAddress {
  /** Where the other nodes reach it. */
  readonly address: string
  /** Where it listens, when a relay has `address`. */
  readonly listen?: string
}

/** The addresses of all nodes. Where only 127.0.0.1 exists (macOS), each gets its own port. */
export async function chooseAddresses(count: number, relayed: boolean): Promise<NodeAddress[]> {
  const hosts = Array.from({ length: count }, (_, index) => nodeHost(index))
  if (await canBind(0, nodeHost(1))) {
    const hidden = relayed ? hosts.map((_, index) => hiddenHost(index)) : []
    const port = await freePort([...hosts, ...hidden])
    return hosts.map((host, index) => ({
      address: `/ip4/${host}/tcp/${port}`,
      ...(relayed ? { listen: `/ip4/${hidden[index]}/tcp/${port}` } : {}),
    }))
  }
  const addresses: string[] = []
  while (addresses.length < count) {
    const address = `/ip4/127.0.0.1/tcp/${await freePort(['127.0.0.1'])}`
    if (!addresses.includes(address)) addresses.push(address)
  }
  return addresses.map((address) => ({ address }))
}

/** The preset that suits `count` nodes on one machine. */
export function defaultPreset(count: number): Preset {
  return count <= SWIFT_NODES ? 'swift' : 'lab'
}

/** @throws ExitError 2 for anything but a whole number from `low` to `high`. */
export function parseNumber(what: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new ExitError(EXIT.usage, `${what} must be a whole number from ${low} to ${high}`)
  }
  return value
}
