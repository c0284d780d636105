import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../base/index.ts'
import { DIALS_PER_HOST_BURST, DIALS_PER_HOST_PER_SECOND, MAX_COUNTED_HOSTS } from './constants.ts'
import { bearsName, isUnderTls } from './resolve.ts'
import { TokenBuckets } from './token-buckets.ts'

const LOOPBACK = /^(?:127\.|::1$|::ffff:(?:127\.|7f[0-9a-f]{2}:)|(?:.+\.)?localhost\.?$)/i
// Unspecified, link-local (there the metadata services of clouds are), multicast and broadcast.
const NOWHERE =
  /^(?:0\.|169\.254\.|22[4-9]\.|2[3-5]\d\.|::$|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:|::ffff:(?:0|169\.254)\.)/i

/**
 * Judges every address before it is dialled, whoever named it: descriptors and Kademlia answers are written by
 * strangers, who would like to have us knock at services of this machine, or all of us at one victim.
 */
export class DialGuard {
  readonly #rate: TokenBuckets
  readonly #allowLoopback: boolean

  /** `allowLoopback`: this node belongs to a network on one machine. */
  constructor(ports: { clock: Clock }, options: { allowLoopback: boolean }) {
    this.#rate = new TokenBuckets(ports, {
      burst: DIALS_PER_HOST_BURST,
      perSecond: DIALS_PER_HOST_PER_SECOND,
      maxWaitMs: 0,
      maxKeys: MAX_COUNTED_HOSTS,
    })
    this.#allowLoopback = options.allowLoopback
  }

  /** True for an address that must not be dialled, or not so often. Each call that says false counts as a dial. */
  refuses(address: Multiaddr): boolean {
    const host = hostOf(address)
    if (NOWHERE.test(host)) return true
    if (!this.#allowLoopback && LOOPBACK.test(host)) return true
    // Our own dials have looked names up; this one comes from Kademlia, where strangers write.
    if (bearsName(address) && !isUnderTls(address)) return true
    return this.#rate.take(host) === undefined
  }
}

/** True for a connection from or to this machine. */
export function isLoopbackHost(address: Multiaddr): boolean {
  return LOOPBACK.test(hostOf(address))
}

/** True for an address on this machine, false also for what is no multiaddr. */
export function isLoopback(address: string): boolean {
  try {
    return LOOPBACK.test(hostOf(multiaddr(address)))
  } catch {
    // Whoever listens or dials there says so.
    return false
  }
}

function hostOf(address: Multiaddr): string {
  return address.getComponents()[0]?.value ?? ''
}
