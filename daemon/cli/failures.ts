import { EXIT, ExitError, reasonOf } from '../exit-codes.ts'
import { RpcFailure } from '../../rpc/client/index.ts'
import type { Output } from './output.ts'

/** Exit code per error number of the RPC; 1 for every other number. */
const EXIT_OF_RPC: Readonly<Record<number, number>> = {
  [-32602]: EXIT.usage,
  1000: EXIT.auth,
  1001: EXIT.auth,
  1002: EXIT.notReady,
  1003: EXIT.notReady,
  1004: EXIT.notReady,
  1005: EXIT.quota,
  1007: EXIT.quota,
  1008: EXIT.storage,
  1009: EXIT.storage,
  1011: EXIT.unconfirmed,
  1013: EXIT.notFound,
  1014: EXIT.conflict,
  1015: EXIT.conflict,
  1100: EXIT.notFound,
  1101: EXIT.notReady,
  1102: EXIT.trust,
  1103: EXIT.trust,
  1104: EXIT.trust,
  1105: EXIT.trust,
  1106: EXIT.auth,
  1107: EXIT.conflict,
  1200: EXIT.notFound,
  1201: EXIT.conflict,
  1203: EXIT.quota,
  1204: EXIT.conflict,
  1300: EXIT.trust,
  1301: EXIT.conflict,
  1302: EXIT.conflict,
  1303: EXIT.network,
  1304: EXIT.auth,
  1305: EXIT.network,
  1306: EXIT.network,
  1307: EXIT.auth,
  1400: EXIT.notFound,
  1401: EXIT.conflict,
  1402: EXIT.conflict,
  1404: EXIT.notFound,
  1405: EXIT.conflict,
}

/** @returns the exit code that a script sees for `error`. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ExitError) return error.exitCode
  if (error instanceof RpcFailure) return EXIT_OF_RPC[error.code] ?? EXIT.rpcError
  return EXIT.rpcError
}

/** Says on stderr what went wrong and what to do about it. */
export function explain(out: Output, error: unknown): void {
  const name = out.paint('red', 'hearsay:')
  if (error instanceof RpcFailure) {
    out.alert(`${name} ${error.message} (${error.code} ${error.kind})`)
    const { issues, hint, ref } = error.data
    if (Array.isArray(issues)) {
      const texts = issues.map(issueText).filter((text) => text !== error.message)
      for (const text of texts) out.alert(`  ${text}`)
    }
    if (typeof hint === 'string') out.alert(`  fix: ${hint}`)
    if (typeof ref === 'string') out.alert(`  the daemon's log has the details under ${ref}`)
    return
  }
  out.alert(`${name} ${reasonOf(error)}`)
  if (error instanceof ExitError && error.fix !== undefined) out.alert(`  fix: ${error.fix}`)
}

function issueText(issue: unknown): string {
  if (typeof issue === 'string') return issue
  const { path = '', message } = issue as { path?: string; message?: string }
  return path === '' ? `${message}` : `${path}: ${message}`
}
