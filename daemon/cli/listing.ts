import type { ParamsOf, ResultOf } from '../../rpc/client/index.ts'
import type { Rpc } from '../rpc-port.ts'

type ListMethod = 'peers.list' | 'contacts.list' | 'messages.list' | 'outbox.list'

const PAGE_LIMIT = 500

/** Every item of a paged list, at most `max`. */
export async function listAll<Name extends ListMethod>(
  rpc: Rpc,
  method: Name,
  params: Omit<ParamsOf<Name>, 'limit' | 'cursor'>,
  max = Number.POSITIVE_INFINITY,
): Promise<ResultOf<Name>['items']> {
  const items: ResultOf<Name>['items'][number][] = []
  let cursor: string | null = null
  do {
    const limit = Math.min(PAGE_LIMIT, max - items.length)
    const page: ResultOf<ListMethod> = (await rpc.request(method, {
      ...params,
      limit,
      ...(cursor === null ? {} : { cursor }),
    })) as ResultOf<ListMethod>
    items.push(...page.items)
    cursor = page.nextCursor
  } while (cursor !== null && items.length < max)
  return items as ResultOf<Name>['items']
}
