import { utf8 } from '../../../src/base/index.ts'
import { sha256 } from '../../../src/crypto/index.ts'
import type { CallContext, NodeApi } from '../../../src/node/index.ts'

/** A text that the owner of a node wants to send. */
export interface Wish {
  readonly to: string
  readonly text: string
  readonly expiresInMs: number
}

interface Answered {
  readonly wish: Wish
  readonly messageId: string
}

type Messages = Pick<NodeApi['messages'], 'send'>

/** Of a run: enough to see that keys are remembered, for a small part of its time. */
const ASKED_AGAIN_MAX = 20

/**
 * The program of a node's owner, which outlives the node. It sends each text under a key of its own, and once more after
 * every start until it has an answer.
 */
export class User {
  readonly #open = new Map<string, Wish>()
  readonly #answers: Answered[] = []
  /** Answers that said that the text had been accepted before. */
  replayed = 0

  /** Texts that have no answer yet. */
  get waiting(): readonly Wish[] {
    return [...this.#open.values()]
  }

  want(wish: Wish): void {
    this.#open.set(wish.text, wish)
  }

  /** Resolves with the message that the text is, once the node says so. */
  async send(messages: Messages, wish: Wish): Promise<string> {
    const { messageId, replayed } = await call(messages, wish)
    if (this.#open.delete(wish.text)) {
      this.#answers.push({ wish, messageId })
      if (replayed === true) this.replayed++
    }
    return messageId
  }

  /** Sends once more what has an answer already: the answer must be the same. Resolves with what is wrong. */
  async sendAgain(messages: Messages): Promise<string[]> {
    const wrong: string[] = []
    const every = Math.ceil(this.#answers.length / ASKED_AGAIN_MAX)
    for (const { wish, messageId } of this.#answers.filter((_, i) => i % every === 0)) {
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
