import { WS_PROTOCOL } from '../constants.ts'
import type { Channel, Connector } from './channel.ts'
import { ConnectionFailure } from './errors.ts'

/** WebSocket to `<url>/ws` with a bearer token. The library is loaded at the first use. */
export function webConnector(url: string, token: string): Connector {
  return async (events) => {
    const { WebSocket } = await import('ws')
    const target = new URL('/ws', url)
    target.protocol = target.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(target, WS_PROTOCOL, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    })
    const channel: Channel = {
      send: (text) => socket.send(text),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      close: () => socket.terminate(),
    }
    let reason = 'closed'
    socket.on('message', (data: Buffer) => events.onText(data.toString('utf8')))
    socket.on('close', () => events.onClose(reason))
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(channel))
      socket.once('unexpected-response', (_request, response) => {
        reason = `HTTP ${response.statusCode ?? 0}`
        socket.terminate()
        reject(new ConnectionFailure(reason))
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        reason = error.code ?? reason
        reject(new ConnectionFailure(reason))
      })
    })
  }
}
