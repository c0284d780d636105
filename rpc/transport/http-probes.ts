import { openRpcDocument } from '../schema/openrpc.ts'
import type { HttpCall, HttpPorts } from './http-ports.ts'
import { reply } from './http-reply.ts'
import { metricsText } from './prometheus.ts'

/** `GET /openrpc.json`: the same document as `rpc.discover`. */
export async function getOpenRpc(_ports: HttpPorts, { response }: HttpCall): Promise<void> {
  reply(response, 200, 'application/json', JSON.stringify(openRpcDocument()))
}

/** `GET /readyz`: 200 while the node runs, else 503. */
export async function getReady({ node }: HttpPorts, { response }: HttpCall): Promise<void> {
  const { state, link } = await node.node.status()
  const ready = state === 'running'
  reply(response, ready ? 200 : 503, 'application/json', JSON.stringify({ state, link }))
}

/** `GET /metrics`: Prometheus text. */
export async function getMetrics(ports: HttpPorts, { response }: HttpCall): Promise<void> {
  const { type, text } = await metricsText(ports.metrics, await ports.node.node.status())
  reply(response, 200, type, text)
}
