import { isHearsayError } from '../../../src/base/index.ts'

/** One line for a violation: code, message, and where it was thrown. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = isHearsayError(error) ? `${error.code} ` : ''
  const at =
    error.stack
      ?.split('\n')
      .slice(1, 4)
      .map((line) => line.trim())
      .join(' ') ?? ''
  return `${code}${error.message} ${at}`
}
