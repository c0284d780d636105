import { setImmediate as nextTurn } from 'node:timers/promises'
import { type NodeId, toHex } from '../../../src/base/index.ts'
import type { KeeperQuestion, Mailbox } from '../../../src/mailbox/index.ts'

/** The two ends of a way through the mix. */
type Asker = Pick<Mailbox, 'nextQuestion'>
type Keeper = Pick<Mailbox, 'answerSealed'>

/** Takes questions as slots do, one by one, to their keepers and brings the answers: the mix without its hops. */
export class Carrier {
  /** Whom the questions were sealed to, in order. */
  readonly asked: NodeId[] = []
  readonly #keepers = new Map<string, Keeper>()

  /** A node that is not here, or was put off, answers nothing. */
  put(node: NodeId, keeper: Keeper | undefined): void {
    if (keeper === undefined) this.#keepers.delete(toHex(node))
    else this.#keepers.set(toHex(node), keeper)
  }

  /** Carries one question. False when there was none. */
  async carry(asker: Asker): Promise<boolean> {
    const question = asker.nextQuestion()
    if (question === undefined) return false
    await this.deliver(question)
    return true
  }

  async deliver({ keeper, sealed, settle }: KeeperQuestion): Promise<void> {
    this.asked.push(keeper)
    settle(await this.#keepers.get(toHex(keeper))?.answerSealed(sealed))
  }

  /** Carries until the look-up is over. */
  async until<T>(asker: Asker, lookUp: Promise<T>): Promise<T> {
    let isOver = false
    const noted = lookUp.finally(() => {
      isOver = true
    })
    noted.catch(() => undefined)
    for (let turn = 0; turn < 200; turn++) {
      await nextTurn()
      if (isOver) break
      await this.carry(asker)
    }
    return noted
  }
}
