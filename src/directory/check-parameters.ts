import { MAX_WINDOW_SIZE } from '../stream/index.ts'
import { MAX_EPOCH_PUBLICATIONS, MAX_HOT_BOXES } from './constants.ts'
import { fileFault } from './file-fault.ts'
import type { NetworkParameters } from './parameters.ts'

type NumberName = {
  [K in keyof NetworkParameters]: NetworkParameters[K] extends number ? K : never
}[keyof NetworkParameters]

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Inclusive bounds. Wide: they keep arithmetic safe and a file from starving a node, not a user from trying. */
const RANGES: Readonly<Record<NumberName, readonly [min: number, max: number]>> = {
  layers: [1, 10],
  mixDelayMs: [1, 60_000],
  slotMs: [10, 60_000],
  boxRate: [0.001, 1_000],
  copies: [1, 4],
  rejoinHoldMs: [0, DAY],
  keepers: [1, 32],
  ttlDays: [1, 60],
  hotHours: [1, 48],
  keyEpochMs: [1_000, 7 * DAY],
  layerEpochMs: [1_000, 30 * DAY],
  ackSettleMs: [0, 10 * 60_000],
  ackJitterMs: [0, HOUR],
  addressWindow: [8, MAX_WINDOW_SIZE],
}

const PRESET_NAMES = ['custom', 'swift', 'lab', 'balanced', 'strong'] as const
const ADMISSIONS = ['open', 'operator'] as const
const SUITES = ['x25519', 'x-wing'] as const

/** The order of the fields in the encoded parameters. Appending changes the format version. */
export const PARAMETER_NAMES = [
  'preset',
  'layers',
  'mixDelayMs',
  'slotMs',
  'boxRate',
  'copies',
  'rejoinHoldMs',
  'keepers',
  'ttlDays',
  'hotHours',
  'keyEpochMs',
  'layerEpochMs',
  'ackSettleMs',
  'ackJitterMs',
  'addressWindow',
  'slack',
  'admission',
  'suite',
] as const satisfies readonly (keyof NetworkParameters)[]

const bad = (name: string) => fileFault('parameter', { name })

function checkNumbers(input: Readonly<Record<string, unknown>>): void {
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = input[name]
    if (typeof value !== 'number' || !(value >= min && value <= max)) throw bad(name)
    // Rates are written as thousandths, everything else as integers: the encoding has no floats.
    if (!Number.isInteger(name === 'boxRate' ? toMilli(value) : value)) {
      throw bad(name)
    }
  }
}

/** Thousandths of a rate with at most 3 decimals; NaN when it has more. */
function toMilli(value: number): number {
  const milli = Math.round(value * 1_000)
  return milli / 1_000 === value ? milli : Number.NaN
}

function oneOf<T extends string>(names: readonly T[], value: unknown, name: string): T {
  const found = names.find((item) => item === value)
  if (found === undefined) throw bad(name)
  return found
}

/**
 * Returns the parameters when every one is present, known and within its range, and the set is coherent
 * (`slotMs ≤ 2 · mixDelayMs`, whole key epochs in a layer epoch, the hot window within the lifetime, no more boxes
 * and publications than a node can remember).
 * @throws HearsayError `network-file-invalid`, reason `parameter` or `unknown-parameter`, `name` set.
 */
export function checkParameters(input: Readonly<Record<string, unknown>>): NetworkParameters {
  for (const name of Object.keys(input)) {
    if (!PARAMETER_NAMES.some((known) => known === name)) {
      throw fileFault('unknown-parameter', { name: name.slice(0, 32).replace(/[^\w-]/g, '?') })
    }
  }
  checkNumbers(input)
  const slack = input['slack']
  if (slack !== '3sigma') {
    const fine = typeof slack === 'number' && Number.isInteger(slack) && slack >= 1 && slack <= 100
    if (!fine) throw bad('slack')
  }
  oneOf(PRESET_NAMES, input['preset'], 'preset')
  oneOf(ADMISSIONS, input['admission'], 'admission')
  oneOf(SUITES, input['suite'], 'suite')
  const parameters = { ...input } as unknown as NetworkParameters
  if (parameters.slotMs > 2 * parameters.mixDelayMs) throw bad('slotMs')
  if (parameters.layerEpochMs % parameters.keyEpochMs !== 0) throw bad('layerEpochMs')
  if (parameters.hotHours > parameters.ttlDays * 24) throw bad('hotHours')
  const { boxRate, copies, hotHours, layerEpochMs } = parameters
  if ((boxRate * copies * layerEpochMs) / 1_000 > MAX_EPOCH_PUBLICATIONS) throw bad('layerEpochMs')
  if ((boxRate * hotHours * HOUR) / 1_000 > MAX_HOT_BOXES) throw bad('hotHours')
  return parameters
}

/** The parameters as a list in the order of `PARAMETER_NAMES`; `boxRate` in thousandths, `3sigma` as 0. */
export function encodeParameters(parameters: NetworkParameters): (string | number)[] {
  return PARAMETER_NAMES.map((name) => {
    if (name === 'boxRate') return toMilli(parameters.boxRate)
    if (name === 'slack') return parameters.slack === '3sigma' ? 0 : parameters.slack
    return parameters[name]
  })
}

/** Inverse of `encodeParameters`. @throws as `checkParameters`. */
export function decodeParameters(list: readonly unknown[]): NetworkParameters {
  if (list.length !== PARAMETER_NAMES.length) throw fileFault('parameter', { name: 'count' })
  const input: Record<string, unknown> = {}
  PARAMETER_NAMES.forEach((name, index) => {
    const value = list[index]
    if (name === 'boxRate') input[name] = typeof value === 'number' ? value / 1_000 : value
    else if (name === 'slack') input[name] = value === 0 ? '3sigma' : value
    else input[name] = value
  })
  return checkParameters(input)
}
