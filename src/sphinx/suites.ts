import { type Kem, x25519Kem, xWingKem } from '../crypto/index.ts'

/** Key exchange of the hops of a network's packets. */
export type MixSuite = 'x25519' | 'x-wing'

interface Suite {
  /** Second byte of every packet. */
  readonly byte: number
  readonly kem: Kem
}

export const SUITES: Readonly<Record<MixSuite, Suite>> = {
  x25519: { byte: 1, kem: x25519Kem },
  'x-wing': { byte: 2, kem: xWingKem },
}
