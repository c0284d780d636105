import { equalBytes, HearsayError, type NetworkId, utf8 } from '../base/index.ts'
import { MAX_NETWORK_FILE_BYTES, URI_PREFIX } from './constants.ts'
import { fileFault } from './file-fault.ts'
import { decodeNetworkFile } from './network-file.ts'
import type { Network } from './network.ts'
import { decodeNetworkUri } from './network-uri.ts'

export interface InspectOptions {
  /** ms, to judge the expiry. */
  readonly now: number
  /** The network the text must belong to, if there is one already. */
  readonly expect?: NetworkId
}

/**
 * The network of a file's text or of a URI, all of it checked. No side effects, no I/O, bounded work.
 * @throws HearsayError `network-file-invalid` with `reason` (see `NetworkFileFault`), `network-file-expired`,
 * or `network-mismatch` when another network was expected.
 */
export function inspectNetwork(textOrUri: string, options: InspectOptions): Network {
  if (
    textOrUri.length > MAX_NETWORK_FILE_BYTES ||
    utf8(textOrUri).length > MAX_NETWORK_FILE_BYTES
  ) {
    throw fileFault('too-large')
  }
  const text = textOrUri.trim()
  const network = text.startsWith(URI_PREFIX) ? decodeNetworkUri(text) : decodeNetworkFile(text)
  if (options.expect !== undefined && !equalBytes(options.expect, network.id)) {
    throw new HearsayError('network-mismatch', 'the file belongs to another network')
  }
  if (network.expiresAt !== undefined && network.expiresAt <= options.now) {
    throw new HearsayError('network-file-expired', 'the network file has expired')
  }
  return network
}
