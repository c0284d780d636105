import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { DAEMON_EXIT, ExitError } from './exit-codes.ts'

// Below Linux's and macOS's ephemeral ranges, so no outgoing connection takes the port meanwhile.
const LOWEST_PORT = 10_000
const HIGHEST_PORT = 32_000
const TRIES = 64

/** True when a TCP server can be bound there now. */
export function canBind(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/**
 * Fails early when another program has one of these multiaddrs: the node itself listens only once it has
 * joined a network, and a person should not learn of it then. @throws ExitError 69.
 */
export async function refuseTaken(listen: readonly string[]): Promise<void> {
  for (const address of listen) {
    const [, , host, , port] = address.split('/')
    if (host === undefined || port === '0' || (await canBind(Number(port), host))) continue
    throw new ExitError(
      DAEMON_EXIT.unavailable,
      `cannot listen on ${address}: the port is in use, or the address is not this machine's`,
      'stop the other program, or choose another port: hearsay config set listen /ip4/0.0.0.0/tcp/<port>',
    )
  }
}

/** A port that is free on every one of `hosts`, drawn at random. @throws ExitError 69. */
export async function freePort(hosts: readonly string[] = ['0.0.0.0']): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT)
    const free = await Promise.all(hosts.map((host) => canBind(port, host)))
    if (free.every(Boolean)) return port
  }
  throw new ExitError(DAEMON_EXIT.unavailable, `no free TCP port on ${hosts[0]}`)
}
