/** The presets of the parameters, or `custom` when a value differs from its preset. */
export type PresetName = 'swift' | 'lab' | 'balanced' | 'strong'

/** Key exchange of the mix packet's hops. */
export type MixSuite = 'x25519' | 'x-wing'

/** Who may be a node. `open` is for testnets on one machine: it does not resist anybody. */
export type AdmissionKind = 'open' | 'operator'

/**
 * The parameters of a network, all hashed into its id: two nodes that differ in one of them are in two
 * networks. Validated by `checkParameters`; ranges are in SPEC.md §3.
 */
export interface NetworkParameters {
  readonly preset: PresetName | 'custom'
  /** Mix layers, the hops of every route. */
  readonly layers: number
  /** Mean of the exponential delay per hop, ms. */
  readonly mixDelayMs: number
  /** Every node originates one packet per slot, ms. At most twice `mixDelayMs`. */
  readonly slotMs: number
  /** Distinct boxes per second that the whole network publishes at most; up to 3 decimals. */
  readonly boxRate: number
  /** How often each box is published, over disjoint routes. */
  readonly copies: number
  /** Upper bound of the random time after a (re)join in which only cover is published, ms. */
  readonly rejoinHoldMs: number
  /** Nodes that keep a box until it expires. */
  readonly keepers: number
  /** Days a box lives after its day of publishing. */
  readonly ttlDays: number
  /** Hours every node keeps every box. */
  readonly hotHours: number
  /** Lifetime of a mix key, ms. */
  readonly keyEpochMs: number
  /** Lifetime of a layer election and of a frozen directory, ms. A multiple of `keyEpochMs`. */
  readonly layerEpochMs: number
  /** Wait before an ack may be sent, ms. */
  readonly ackSettleMs: number
  /** Upper bound of the uniform time added to `ackSettleMs`, ms. */
  readonly ackJitterMs: number
  /** Next addresses of a stream that a reader watches. */
  readonly addressWindow: number
  /** Head room of quotas: a factor, or the mean plus three standard deviations. */
  readonly slack: number | '3sigma'
  readonly admission: AdmissionKind
  readonly suite: MixSuite
}

export type ParameterOverrides = Partial<Omit<NetworkParameters, 'preset'>>
