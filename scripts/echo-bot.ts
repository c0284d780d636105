/**
 * Answers every message with the same text, with the typed client.
 *
 * usage: HEARSAY_HOME=… node scripts/echo-bot.ts   (Node 24 runs TypeScript; `npm ci` brings it)
 *
 * It may be stopped, killed and started again at any time: the consumer remembers what was acknowledged,
 * and the idempotency key keeps a message from being answered twice.
 */
import { join } from 'node:path'
// In a package of your own: import { connect } from 'hearsay/client'
import { connect } from '../rpc/client/index.ts'

const CONSUMER = 'echo-bot-ts'
const socket = join(process.env['HEARSAY_HOME'] ?? '.', 'rpc.sock')

using daemon = await connect({ socket })
const { items } = await daemon.call('events.consumers.list')
if (!items.some(({ name }) => name === CONSUMER)) {
  await daemon.call('events.consumers.create', { name: CONSUMER, types: ['message.received'] })
}
await using events = await daemon.subscribe({ consumer: CONSUMER })
process.stdout.write('listening\n')
for await (const event of events) {
  const message = event.data as { messageId: string; contactId: string; body: { text: string } }
  await daemon.call('messages.send', {
    to: message.contactId,
    body: { text: `echo: ${message.body.text}` },
    idempotencyKey: `echo-${message.messageId}`,
  })
  // Only now: had we died before, the event would come again and the key would stop a second answer.
  await events.ack(event.seq)
  process.stdout.write(`answered ${message.messageId}\n`)
}
