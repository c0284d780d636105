import { createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { HearsayError } from '../base/index.ts'

/**
 * Binds each TCP and WebSocket address once and lets go of it, because libp2p reports a busy port only as
 * part of a text. Port 0 is skipped.
 * @throws HearsayError `address-in-use` or `listen-failed` with `details.address`.
 */
export async function probeListenAddresses(addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const endpoint = tcpEndpoint(address)
    if (endpoint.port !== 0) await bindOnce(address, endpoint)
  }
}

interface TcpEndpoint {
  host: string
  port: number
}

function tcpEndpoint(address: string): TcpEndpoint {
  let components: { name: string; value?: string }[]
  try {
    components = multiaddr(address).getComponents()
  } catch (cause) {
    throw new HearsayError('listen-failed', 'not a multiaddr', { address }, cause)
  }
  const [ip, tcp] = components
  if ((ip?.name !== 'ip4' && ip?.name !== 'ip6') || tcp?.name !== 'tcp') {
    throw new HearsayError('listen-failed', 'listen addresses are ip4 or ip6 with tcp', { address })
  }
  return { host: ip.value ?? '', port: Number(tcp.value) }
}

function bindOnce(address: string, { host, port }: TcpEndpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'address-in-use' : 'listen-failed'
      reject(new HearsayError(code, 'cannot listen', { address, reason: cause.code ?? '' }, cause))
    })
    server.listen({ host, port }, () => server.close(() => resolve()))
  })
}
