/** Fields of a log line: never a contact, an address, a size per packet, or cover-versus-real. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * Constant message plus fields. error: an operator must act; warn: may need to; info: state changes of the
 * node; debug: the rest. Nothing the network supplied at info or above.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  child(module: string): Logger
}

export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silentLogger,
}
