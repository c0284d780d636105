/** The epoch of a key exchange, before there is a send group. */
export const RENDEZVOUS_TAG = 'r'

/** Names an epoch of a stream: `<generation>.<MLS epoch>`. */
export function epochTag(generation: number, epoch: number): string {
  return `${generation}.${epoch}`
}

/** Inverse of `epochTag`. */
export function epochOfTag(tag: string): { generation: number; epoch: number } {
  const [generation, epoch] = tag.split('.')
  return { generation: Number(generation), epoch: Number(epoch) }
}
