import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toBase64Url } from '../../src/base/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { SmokeReport, TestnetPorts } from '../testnet/index.ts'
import type { Context } from './context.ts'

/** Where a testnet is when `--dir` does not say. */
export const DEFAULT_TESTNET_DIR = '.hearsay-testnet'

const RUN_ID_BYTES = 6

/** The ports of a testnet on top of a command's surroundings. */
export function testnetPorts(context: Context): TestnetPorts {
  return {
    clock: context.io.clock,
    env: context.io.env,
    connect: (socket) => context.connectTo(socket),
    progress: (text) => context.out.progress(text),
  }
}

/** A short id that no earlier run had. */
export function newRunId(context: Context): string {
  return toBase64Url(context.io.rng.bytes(RUN_ID_BYTES))
}

/** 0 exactly when every message arrived once. */
export function smokeExit({ lost, duplicates }: SmokeReport): number {
  return lost === 0 && duplicates === 0 ? EXIT.ok : EXIT.rpcError
}

/** Where the result of the last smoke test is kept, for `testnet report`. */
export function smokeFile(dir: string): string {
  return join(dir, 'smoke.json')
}

export function saveSmoke(dir: string, result: SmokeReport): void {
  writeFileSync(smokeFile(dir), `${JSON.stringify(result, undefined, 2)}\n`)
}
