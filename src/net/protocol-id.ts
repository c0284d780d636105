import { HearsayError } from '../base/index.ts'
import { NET_VERSION } from './constants.ts'

const NAME = /^[a-z0-9][a-z0-9/.-]{0,63}$/

/** `/hearsay/<tag>/<name>/1`: nodes of two networks share no protocol, even behind one pre-shared key. */
export function protocolId(networkTag: string, name: string): string {
  if (!NAME.test(networkTag) || !NAME.test(name)) {
    throw new HearsayError('bug', 'malformed protocol name', { name })
  }
  return `/hearsay/${networkTag}/${name}/${NET_VERSION}`
}
