/** What became of frames and packets, by coarse class: no peer, no packet, no size. */
export type MixEvent =
  | 'sent'
  | 'not-sent'
  | 'no-route'
  | 'relayed'
  | 'published'
  | 'not-published'
  | 'replied'
  | 'delivered'
  | 'answered'
  | 'quota'
  | 'bad-frame'
  | 'malformed'
  | 'tagged'
  | 'replay'
  | 'replay-full'
  | 'bad-delay'
  | 'misrouted'
  | 'overloaded'
  | 'no-link'
  | 'unknown-reply'
  | 'unknown-answer'
  | 'storage'

/** Counts since the start. */
export class MixCounts {
  readonly #counts = new Map<MixEvent, number>()

  count(event: MixEvent): void {
    this.#counts.set(event, this.of(event) + 1)
  }

  of(event: MixEvent): number {
    return this.#counts.get(event) ?? 0
  }

  snapshot(): Readonly<Partial<Record<MixEvent, number>>> {
    return Object.fromEntries(this.#counts)
  }
}
