import { HearsayError } from '../base/index.ts'
import { unpad } from '../wire/index.ts'
import { MAX_RECORD_BYTES } from './constants.ts'
import { paddedLength } from './record-classes.ts'

/**
 * The content of a padded record, copied: exactly what its class is for.
 * @throws HearsayError `bad-encoding` for any other padding.
 */
export function contentOf(padded: Uint8Array): Uint8Array {
  const content = unpad(padded)
  if (content.length > MAX_RECORD_BYTES || paddedLength(content.length) !== padded.length) {
    throw new HearsayError('bad-encoding', 'record is padded to another class')
  }
  return content.slice()
}
