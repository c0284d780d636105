import { lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { umask } from 'node:process'
import { HearsayError } from '../../src/base/index.ts'
import { MAX_CONNECTIONS, MAX_SOCKET_PATH_BYTES } from '../constants.ts'

/**
 * Listens on `path` with mode 0600 from the first moment. A socket that nobody answers on is removed; one
 * that is alive is left alone. The path's directory must exist.
 * @throws HearsayError `address-in-use`, `too-large` (path over 107 bytes), `listen-failed`.
 */
export async function listenUnix(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new HearsayError('too-large', 'the path of the socket is too long', {
      limit: MAX_SOCKET_PATH_BYTES,
    })
  }
  await removeStale(path)
  // allowHalfOpen: `printf … | nc -U` closes its side first and waits for the answer.
  const server = createServer({ allowHalfOpen: true }, onConnection)
  server.maxConnections = MAX_CONNECTIONS
  // listen() binds before it returns, so the mask covers the bind and nothing else.
  const mask = umask(0o177)
  try {
    server.listen(path)
  } finally {
    umask(mask)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve)
    server.once('error', (error) => {
      const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      reject(
        inUse
          ? new HearsayError('address-in-use', 'another process listens on this socket')
          : new HearsayError('listen-failed', 'the socket cannot be opened', {}, error),
      )
    })
  })
  return server
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket() || (await answers(path))) {
    throw new HearsayError('address-in-use', 'another process listens on this socket')
  }
  unlinkSync(path)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    // Only a refusal proves that nobody listens; no permission or a full backlog does not.
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
