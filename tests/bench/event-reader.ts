import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

type Message = {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly seq: number; readonly code?: number }
  readonly result?: unknown
  readonly error?: unknown
}

/** A subscription over a socket of its own, as a client without our library would have it. */
export class EventReader {
  readonly #socket: Socket
  readonly #onEvent: (seq: number) => void
  #rest = ''
  #ids = 0
  readonly #answers = new Map<number, (message: Message) => void>()

  private constructor(socket: Socket, onEvent: (seq: number) => void) {
    this.#socket = socket
    this.#onEvent = onEvent
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#read(text))
  }

  static async open(path: string, onEvent: (seq: number) => void = () => {}): Promise<EventReader> {
    const socket = connect(path)
    await once(socket, 'connect')
    return new EventReader(socket, onEvent)
  }

  async call(method: string, params: object): Promise<unknown> {
    const id = ++this.#ids
    const { promise, resolve } = Promise.withResolvers<Message>()
    this.#answers.set(id, resolve)
    this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    const { result, error } = await promise
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  }

  /** Reads nothing from now on, and keeps the connection. */
  stall(): void {
    this.#socket.pause()
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const message = JSON.parse(line) as Message
      if (message.method === 'event') this.#onEvent(message.params?.seq ?? 0)
      else if (message.id !== undefined) {
        this.#answers.get(message.id)?.(message)
        this.#answers.delete(message.id)
      }
    }
  }
}
