/**
 * Answers every message with the same text, with the typed client.
 *
 * usage: HEARSAY_HOME=… node scripts/echo-bot.ts   (Node 24 runs TypeScript; `npm ci` brings it)
 *
 * It may be stopped, killed and started again at any time: the consumer remembers what was acknowledged,
 * and the idempotency key keeps a message from being answered twice.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
// In a package of your own: import { connect } from 'hearsay/client'
import { connect, RpcFailure } from '../rpc/client/index.ts'

const CONSUMER = 'echo-bot-ts'
/** No later try changes these. */
const HOPELESS = [
  'INVALID_PARAMS',
  'TOO_LARGE',
  'CONTACT_NOT_FOUND',
  'CONTACT_NOT_READY',
  'IDEMPOTENCY_CONFLICT',
]
const socket = join(process.env['HEARSAY_HOME'] ?? '.', 'rpc.sock')

using daemon = await connect({ socket })
const { items } = await daemon.call('events.consumers.list')
const known = items.find(({ name }) => name === CONSUMER)
if (known === undefined) {
  await daemon.call('events.consumers.create', { name: CONSUMER, types: ['message.received'] })
} else if (known.formerEpoch !== undefined) {
  process.stderr.write(
    'the database was restored: events after the backup are gone, and messages come again where they were not acknowledged\n',
  )
}
await using events = await daemon.subscribe({ consumer: CONSUMER })
process.stdout.write('listening\n')
for await (const event of events) {
  const { messageId, contactId, body } = event.data as {
    messageId?: string
    contactId?: string
    body?: { text: string }
  }
  // Nothing is in it when its contact was removed since, or the disk has lost it ("storage.damaged").
  if (contactId !== undefined && body !== undefined) {
    await answer(contactId, `echo: ${body.text}`, `echo-${messageId}`)
  }
  // Only now: had we died before, the event would come again and the key would stop a second answer. The whole event, not
  // its number: in a database that was restored since, the number is that of another one.
  await events.ack(event)
}

/** Answers once; what cannot be sent is told and passed over. Any other error ends the bot, and the message comes again. */
async function answer(to: string, text: string, idempotencyKey: string): Promise<void> {
  for (;;) {
    try {
      await daemon.call('messages.send', { to, body: { text }, idempotencyKey })
      process.stdout.write(`answered ${idempotencyKey}\n`)
      return
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error
      if (isPassedOver(error)) {
        process.stdout.write(`not answered ${idempotencyKey}: ${error.message}\n`)
        return
      }
      if (!error.retryable) throw error
      await sleep(Number(error.data['retryAfterMs'] ?? 1_000))
    }
  }
}

/** Also what one contact alone brings about, who does not acknowledge: it must not keep the others waiting. */
function isPassedOver({ kind, data }: RpcFailure): boolean {
  return HOPELESS.includes(kind) || (kind === 'QUOTA' && data['of'] === 'contact')
}
