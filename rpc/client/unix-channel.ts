import { connect } from 'node:net'
import type { Channel, Connector } from './channel.ts'
import { ConnectionFailure } from './errors.ts'

/** Newline-delimited JSON over the unix socket at `path`. @throws ConnectionFailure. */
export function unixConnector(path: string): Connector {
  return (events) =>
    new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.setEncoding('utf8')
      let reason = 'closed'
      let partial = ''
      socket.once('connect', () => resolve(channel))
      socket.on('data', (chunk: string) => {
        const lines = chunk.split('\n')
        lines[0] = partial + (lines[0] ?? '')
        partial = lines.pop() ?? ''
        for (const line of lines) events.onText(line)
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        reason = error.code ?? 'closed'
        reject(new ConnectionFailure(reason))
      })
      socket.on('close', () => events.onClose(reason))
      const channel: Channel = {
        send: (text) => void socket.write(`${text}\n`),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
        close: () => socket.destroy(),
      }
    })
}
