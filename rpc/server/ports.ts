import type { Clock, Logger, Rng } from '../../src/base/index.ts'
import type { JsonObject, JsonValue } from '../../src/store/index.ts'
import type { NodeApi } from '../node-api.ts'

/** Settings of the daemon. @throws HearsayError `not-found` (unknown key), `bad-value`. */
export interface ConfigPort {
  /** Dotted keys and their values; one of them when `key` is given. Never a secret. */
  get(key?: string): Promise<JsonObject>
  set(
    key: string,
    value: JsonValue,
    persist: boolean,
  ): Promise<{ readonly applied: 'live' | 'restart-needed' }>
  /** Reads the file again. @throws HearsayError `bad-value`; nothing has changed then. */
  reload(): Promise<{ readonly restartNeeded: readonly string[] }>
}

export interface Versions {
  readonly daemon: string
  /** Version of Node.js, without `v`. */
  readonly node: string
}

/** What a server needs from outside. */
export interface RpcPorts {
  readonly node: NodeApi
  readonly config: ConfigPort
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly versions: Versions
}
