/** Monotonic milliseconds, the same in all processes of this machine since its boot; fractional. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
