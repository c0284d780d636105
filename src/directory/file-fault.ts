import { type ErrorDetails, HearsayError } from '../base/index.ts'

/** What is wrong with a network file or URI; `details.reason` of `network-file-invalid`. */
export type NetworkFileFault =
  | 'too-large'
  | 'encoding'
  | 'truncated'
  | 'checksum'
  | 'syntax'
  | 'version'
  | 'field'
  | 'unknown-field'
  | 'parameter'
  | 'unknown-parameter'
  | 'bootstrap'
  | 'invitation'
  | 'signature'

/** `network-file-invalid` with its reason. `details` may name the field, never its value. */
export function fileFault(reason: NetworkFileFault, details: ErrorDetails = {}): HearsayError {
  return new HearsayError('network-file-invalid', 'the network file is not valid', {
    ...details,
    reason,
  })
}
