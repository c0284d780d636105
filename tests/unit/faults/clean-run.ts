import { Recorder, type SendRecord } from '../../faults/history.ts'

/** A clean run: nodes 0 and 1 sent each other three messages, and all of it was seen. */
export function cleanRun(): Recorder {
  const history = new Recorder()
  const seqs = [0, 0]
  const event = (node: number, type: string, messageId: string, text = '') => {
    const seq = (seqs[node] = (seqs[node] ?? 0) + 1)
    const epoch = `epoch-${node}`
    history.event({ node, at: 10, seq, epoch, id: `${epoch}/${seq}`, type, messageId, text })
  }
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const) {
    for (let n = 0; n < 3; n++) {
      const text = `${from}>${to}#${n}`
      const send: SendRecord = {
        from,
        to,
        text,
        key: text,
        calledAt: 1,
        acceptedAt: 2,
        messageIds: [`out-${text}`],
        tries: 1,
      }
      history.sends.push(send)
      event(from, 'message.queued', `out-${text}`)
      event(to, 'message.received', `in-${text}`, text)
      event(from, 'message.delivered', `out-${text}`)
    }
  }
  for (const node of [0, 1]) {
    const list = history.sends.map(({ from, text }) =>
      from === node
        ? ({ messageId: `out-${text}`, direction: 'out', text, state: 'delivered' } as const)
        : ({ messageId: `in-${text}`, direction: 'in', text, state: 'received' } as const),
    )
    history.lists.set(node, list)
  }
  history.recoveries.push({ node: 0, at: 5, readyMs: 800 })
  return history
}
