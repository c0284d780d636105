import { utf8 } from '../../../src/base/index.ts'
import { sha256 } from '../../../src/crypto/index.ts'
import type { CallContext, NodeApi } from '../../../src/node/index.ts'

/** A text that the owner of a node wants to send. */
export interface Wish {
  readonly to: string
  readonly text: string
  readonly expiresInMs: number
}

type Messages = Pick<NodeApi['messages'], 'send'>

/** Of a run: enough to see that keys are remembered, for a small part of its time. */
const ASKED_AGAIN_MAX = 20

/** The program of a node's owner. It sends each text under a key of its own, for as often as it takes to get an answer. */
export class User {
  readonly #open = new Map<string, Wish>()
  readonly #answers = new Map<string, { readonly wish: Wish; readonly messageId: string }>()

  /** Texts that have no answer yet. */
  get waiting(): readonly Wish[] {
    return [...this.#open.values()]
  }

  /** Resolves with the message that the text is, once the node says so. */
  async send(messages: Messages, wish: Wish): Promise<string> {
    this.#open.set(wish.text, wish)
    const { messageId } = await call(messages, wish)
    this.#open.delete(wish.text)
    this.#answers.set(wish.text, { wish, messageId })
    return messageId
  }

  /** Sends once more what has an answer already: the answer must be the same. Resolves with what is wrong. */
  async sendAgain(messages: Messages): Promise<string[]> {
    const wrong: string[] = []
    for (const { wish, messageId } of [...this.#answers.values()].slice(-ASKED_AGAIN_MAX)) {
      const again = await call(messages, wish)
      if (again.messageId === messageId && again.replayed === true) continue
      wrong.push(`a key that made ${messageId} makes ${again.messageId}`)
    }
    return wrong
  }
}

function call(messages: Messages, { to, text, expiresInMs }: Wish) {
  const requestHash = sha256(utf8(JSON.stringify([to, text, expiresInMs])))
  const ctx: CallContext = { idempotency: { scope: 'owner', key: text, requestHash } }
  return messages.send({ to, body: { text }, expiresInMs }, ctx)
}
