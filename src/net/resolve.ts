import { lookup } from 'node:dns/promises'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { untilAborted } from './deadline.ts'

const FAMILIES: Readonly<Record<string, 0 | 4 | 6>> = { dns: 0, dns4: 4, dns6: 6 }

/** IP addresses of a name, of one version or (0) of both; none when it does not resolve. */
export async function resolveName(name: string, family: 0 | 4 | 6 = 0): Promise<string[]> {
  try {
    return (await lookup(name, { all: true, family })).map(({ address }) => address)
  } catch {
    // Whoever wrote the name gets no dial.
    return []
  }
}

/**
 * The addresses with IP addresses in place of names, so that what is judged is what is dialled: a name that a stranger
 * wrote may point to this machine, or somewhere else each time it is asked for. Under TLS the name stays, because the
 * certificate must bear it, and nothing but a hello goes to whoever does not have that.
 */
export async function withoutNames(
  addresses: readonly Multiaddr[],
  signal: AbortSignal,
  resolve: typeof resolveName = resolveName,
): Promise<Multiaddr[]> {
  const found = await untilAborted(
    Promise.all(addresses.map((address) => expand(address, resolve))),
    signal,
  )
  return found.flat()
}

/** True for an address that is dialled by its name. */
export function bearsName(address: Multiaddr): boolean {
  return Object.hasOwn(FAMILIES, address.getComponents()[0]?.name ?? '')
}

export function isUnderTls(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'tls' || name === 'wss')
}

async function expand(address: Multiaddr, resolve: typeof resolveName): Promise<Multiaddr[]> {
  const [host, ...rest] = address.getComponents()
  const family = FAMILIES[host?.name ?? '']
  if (family === undefined || isUnderTls(address)) return [address]
  const tail = rest.map(({ name, value }) => `/${name}${value === undefined ? '' : `/${value}`}`)
  const ips = await resolve(host?.value ?? '', family)
  return ips.map((ip) => multiaddr(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}${tail.join('')}`))
}
