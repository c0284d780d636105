import { getActiveResourcesInfo, memoryUsage } from 'node:process'
import { waitingTimers } from '../../src/base/index.ts'
import type { NodeStatus } from '../node-api.ts'
import type { RpcMetrics } from '../server/metrics.ts'

/**
 * Prometheus text of coarse figures: no label names a contact, a message, a peer or a method. The library
 * is loaded at the first scrape.
 */
export async function metricsText(
  metrics: RpcMetrics,
  status: NodeStatus,
): Promise<{ type: string; text: string }> {
  const { Counter, Gauge, Registry } = await import('prom-client')
  const register = new Registry()
  const registers = [register]
  const gauge = (name: string, help: string, value: number) =>
    new Gauge({ name, help, registers }).set(value)

  new Counter({ name: 'hearsay_rpc_calls_total', help: 'Calls.', registers }).inc(metrics.calls)
  new Counter({
    name: 'hearsay_rpc_auth_failures_total',
    help: 'Requests without a valid token.',
    registers,
  }).inc(metrics.authFailures)
  const errors = new Counter({
    name: 'hearsay_rpc_errors_total',
    help: 'Error answers by name.',
    labelNames: ['name'],
    registers,
  })
  for (const [name, count] of metrics.errors) errors.inc({ name }, count)
  gauge('hearsay_rpc_connections', 'Open connections.', metrics.connections)
  gauge('hearsay_rpc_in_flight', 'Calls that run.', metrics.inFlight)
  gauge('hearsay_rpc_subscriptions', 'Open subscriptions.', metrics.subscriptions)
  gauge('hearsay_up', '1 while the node runs.', status.state === 'running' ? 1 : 0)
  gauge('hearsay_linked', '1 while linked to a network.', status.link === 'linked' ? 1 : 0)
  gauge('hearsay_peers', 'Connected peers.', status.peers)
  gauge('hearsay_storage_bytes', 'Size of the store.', status.storage.bytes)
  gauge('hearsay_storage_free_bytes', 'Free space on its disk.', status.storage.freeBytes)
  gauge('hearsay_health_entries', 'Entries of the health list.', status.health.length)
  gauge('hearsay_timers', 'Timers of the node that wait.', waitingTimers())
  const resources = new Gauge({
    name: 'nodejs_active_resources',
    help: 'What keeps the process alive, by kind.',
    labelNames: ['type'],
    registers,
  })
  for (const type of getActiveResourcesInfo()) resources.inc({ type })
  gauge('process_resident_memory_bytes', 'Resident memory.', memoryUsage.rss())
  return { type: register.contentType, text: await register.metrics() }
}
