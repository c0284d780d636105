/** Coarse counts of the server: nothing per contact, method params, size or caller. */
export class RpcMetrics {
  calls = 0
  readonly errors = new Map<string, number>()
  connections = 0
  inFlight = 0
  subscriptions = 0
  authFailures = 0

  failed(name: string): void {
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1)
  }
}
