import { durationMs } from '../schema/duration.ts'
import type { Handler } from '../server/method.ts'

export const messagesSend: Handler<'messages.send'> = ({ node, call }, { expiresIn, ...rest }) =>
  node.messages.send(
    expiresIn === undefined ? rest : { ...rest, expiresInMs: durationMs(expiresIn) },
    call,
  )
