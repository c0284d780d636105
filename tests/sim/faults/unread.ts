import { toHex } from '../../../src/base/index.ts'
import { decodeReader } from '../../../src/conversation/contact-codec.ts'
import type { Network } from '../../../src/directory/index.ts'
import type { Session } from '../../../src/node/session.ts'
import { BUCKETS, type Store } from '../../../src/store/index.ts'

/** Addresses in hex that the stored windows name, and whose boxes are here: what was read is named no more. */
export async function unreadBoxes(
  { id: networkId, parameters }: Network,
  session: Session,
  store: Store,
): Promise<string[]> {
  const found: string[] = []
  for await (const [, value] of store.iterate(BUCKETS.readWindows)) {
    const { reader } = decodeReader(
      { networkId, windowSize: parameters.addressWindow },
      value,
      () => [],
    )
    for (const { address } of reader?.watched() ?? []) {
      if ((await session.mailbox.find([address])).length > 0) found.push(toHex(address))
    }
  }
  return found
}
