import { toHex, type Address, type BoxBytes } from '../base/index.ts'
import { boxHash, parseBox } from '../stream/index.ts'
export class Mailbox {
  boxes = new Map<string, BoxBytes[]>()
  constructor(..._a: any[]) {}
  async start() {}
  async stop() {}
  onBox(
    _f: (
      box: BoxBytes,
      how: { source: 'reconcile'; confirmed: boolean; conflict: boolean },
    ) => void,
  ) {}
  onConfirmed(_f: (hash: Uint8Array) => void) {}
  async catchUp(_s: AbortSignal) {}
  get count() {
    return this.boxes.size
  }
  lookup(a: Address) {
    return (this.boxes.get(toHex(a)) ?? []).map(boxHash)
  }
  async accept(bytes: Uint8Array, _s: string) {
    const box = bytes.slice(77, 77 + 2048) as BoxBytes
    const k = toHex(parseBox(box).address)
    this.boxes.set(k, [...(this.boxes.get(k) ?? []), box])
  }
  async find(as: readonly Address[]) {
    return as.flatMap((a) =>
      (this.boxes.get(toHex(a)) ?? []).map((box) => ({ box, confirmed: true })),
    )
  }
  async fetch(_a: Address, _d: number, _s: AbortSignal) {
    return { status: 'not-found' as const }
  }
}
