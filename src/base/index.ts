/**
 * base: bytes, ids, errors, and the ports for time, randomness and logs.
 * Everything imports it; it imports nothing. It does no I/O outside system-clock.ts and system-rng.ts.
 */
export {
  ADDRESS_BYTES,
  asAddress,
  asNetworkId,
  asNodeId,
  compareBytes,
  concat,
  equalBytes,
  fromBase64Url,
  fromHex,
  fromUtf8,
  HASH_BYTES,
  NETWORK_ID_BYTES,
  NODE_ID_BYTES,
  readU64be,
  toBase64Url,
  toHex,
  u32be,
  u64be,
  utf8,
  xorDistance,
} from './bytes.ts'
export type { Address, BoxBytes, Branded, NetworkId, NodeId } from './bytes.ts'
export type { Clock, Timer } from './clock.ts'
export { ERROR_CODES } from './error-codes.ts'
export type { ErrorCode, FaultClass } from './error-codes.ts'
export { HearsayError, isHearsayError } from './errors.ts'
export type { ErrorDetails } from './errors.ts'
export { FAILPOINTS } from './failpoints.ts'
export type { FailpointName, Failpoints } from './failpoints.ts'
export { silentLogger } from './logger.ts'
export type { LogFields, Logger } from './logger.ts'
export { shuffled, uniform, uniformInt } from './rng.ts'
export type { Rng } from './rng.ts'
export { systemClock, waitingTimers } from './system-clock.ts'
export { systemRng } from './system-rng.ts'
export { TaskGroup } from './task-group.ts'
export { DAY_MS, dayOf, HOUR_MS, MINUTE_MS } from './time.ts'
