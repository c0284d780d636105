import type { ComponentLogger, Logger } from '@libp2p/interface'

const silent: Logger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: () => silent,
})

/** libp2p's own log names peers and addresses per packet: it is off, and costs nothing. */
export const silentComponentLogger: ComponentLogger = { forComponent: () => silent }
