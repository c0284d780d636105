import type { NetworkParameters, ParameterOverrides, PresetName } from './parameters.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/**
 * Parameter sets with known behaviour. `swift`: demonstrations and tests, up to 12 nodes on one machine, weak.
 * `lab`: 30 nodes on one machine. `balanced`: private networks of tens to hundreds of nodes. `strong`: the same
 * where latency matters less. A released preset is never changed, only followed by a new one.
 */
export const PRESETS: Readonly<Record<PresetName, NetworkParameters>> = {
  swift: {
    preset: 'swift',
    layers: 4,
    mixDelayMs: 125,
    slotMs: 250,
    boxRate: 20,
    copies: 1,
    rejoinHoldMs: 0,
    keepers: 3,
    ttlDays: 2,
    hotHours: 1,
    keyEpochMs: 5 * MINUTE,
    layerEpochMs: 5 * MINUTE,
    ackSettleMs: 0,
    ackJitterMs: 0,
    addressWindow: 32,
    slack: 4,
    admission: 'open',
    suite: 'x25519',
  },
  lab: {
    preset: 'lab',
    layers: 3,
    mixDelayMs: 1 * SECOND,
    slotMs: 2 * SECOND,
    boxRate: 2,
    copies: 1,
    rejoinHoldMs: 0,
    keepers: 3,
    ttlDays: 2,
    hotHours: 1,
    keyEpochMs: 5 * MINUTE,
    layerEpochMs: 5 * MINUTE,
    ackSettleMs: 0,
    ackJitterMs: 0,
    addressWindow: 32,
    slack: 4,
    admission: 'open',
    suite: 'x25519',
  },
  balanced: {
    preset: 'balanced',
    layers: 5,
    mixDelayMs: 500,
    slotMs: 1 * SECOND,
    boxRate: 5,
    copies: 2,
    rejoinHoldMs: 10 * MINUTE,
    keepers: 8,
    ttlDays: 14,
    hotHours: 3,
    keyEpochMs: 1 * HOUR,
    layerEpochMs: 6 * HOUR,
    ackSettleMs: 30 * SECOND,
    ackJitterMs: 30 * SECOND,
    addressWindow: 64,
    slack: '3sigma',
    admission: 'operator',
    suite: 'x25519',
  },
  strong: {
    preset: 'strong',
    layers: 6,
    mixDelayMs: 1 * SECOND,
    slotMs: 2 * SECOND,
    boxRate: 2,
    copies: 2,
    rejoinHoldMs: 2 * HOUR,
    keepers: 8,
    ttlDays: 14,
    hotHours: 6,
    keyEpochMs: 1 * HOUR,
    layerEpochMs: 6 * HOUR,
    ackSettleMs: 60 * SECOND,
    ackJitterMs: 120 * SECOND,
    addressWindow: 64,
    slack: '3sigma',
    admission: 'operator',
    suite: 'x25519',
  },
}

/**
 * A preset with some values replaced. It keeps the preset's name only when nothing but the admission rule
 * differs, so that a name never promises what the values do not hold.
 */
export function withOverrides(
  preset: PresetName,
  overrides: ParameterOverrides = {},
): NetworkParameters {
  const base = PRESETS[preset]
  const merged: NetworkParameters = { ...base, ...overrides }
  const changed = Object.keys(overrides).some((key) => {
    const name = key as keyof ParameterOverrides
    return name !== 'admission' && merged[name] !== base[name]
  })
  return { ...merged, preset: changed ? 'custom' : preset }
}
