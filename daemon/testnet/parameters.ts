import { EXIT, ExitError } from '../exit-codes.ts'

/** Network parameters by name, as `network.create` takes them; the daemon checks names and values. */
export type Parameters = Readonly<Record<string, string | number>>

const PARAMETER = /^([A-Za-z]+)=(\S+)$/
const NUMBER = /^-?\d+(\.\d+)?$/

/** Reads `name=value` words; a value that looks like a number is one. @throws ExitError 2. */
export function parseParameters(words: readonly string[]): Parameters {
  const parameters: Record<string, string | number> = {}
  for (const word of words) {
    const [, name, value] = PARAMETER.exec(word) ?? []
    if (name === undefined || value === undefined) {
      throw new ExitError(EXIT.usage, `--param must look like slotMs=250, not "${word}"`)
    }
    if (Object.hasOwn(parameters, name)) {
      throw new ExitError(EXIT.usage, `--param ${name} is given twice`)
    }
    parameters[name] = NUMBER.test(value) ? Number(value) : value
  }
  return parameters
}

export function sameParameters(a: Parameters, b: Parameters): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
