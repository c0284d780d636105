import { join } from 'node:path'
import { EXIT, ExitError } from '../exit-codes.ts'
import { canBind, freePort } from '../free-port.ts'
import { type Environment, type Home, resolveHome } from '../home.ts'
import type { Preset } from './state.ts'

export const MAX_NODES = 100
/** The preset `swift` is made for at most this many nodes on one machine. */
const SWIFT_NODES = 12

/** Where the home of node `index` is. */
export function nodeHome(dir: string, index: number, env: Environment): Home {
  return resolveHome(join(dir, `node-${index}`), env)
}

/** `127.i.0.1`: each node has its own address, as on real machines. */
export function nodeHost(index: number): string {
  return `127.${index}.0.1`
}

/** The listening address of every node. Where only 127.0.0.1 exists (macOS), each gets its own port. */
export async function chooseAddresses(count: number): Promise<readonly string[]> {
  const hosts = Array.from({ length: count }, (_, index) => nodeHost(index))
  if (await canBind(0, nodeHost(1))) {
    const port = await freePort(hosts)
    return hosts.map((host) => `/ip4/${host}/tcp/${port}`)
  }
  const addresses: string[] = []
  while (addresses.length < count) {
    const address = `/ip4/127.0.0.1/tcp/${await freePort(['127.0.0.1'])}`
    if (!addresses.includes(address)) addresses.push(address)
  }
  return addresses
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
