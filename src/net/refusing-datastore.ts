import { HearsayError } from '../base/index.ts'

const refuse = async (): Promise<never> => {
  throw new HearsayError('overloaded', 'this network stores nothing in Kademlia')
}

class NotFound extends Error {
  constructor() {
    super('not found')
    // kad-dht tells "absent" from "failed" by this name.
    this.name = 'NotFoundError'
  }
}

/**
 * What kad-dht gets in place of a datastore: it keeps nothing and finds nothing, so PUT_VALUE and
 * ADD_PROVIDER of any peer fail and cost no memory. Its value store can be rolled back, flooded and
 * eclipsed (design §7); boxes live in the mailbox.
 */
export const refusingDatastore = {
  has: async () => false,
  get: async (): Promise<never> => {
    throw new NotFound()
  },
  put: refuse,
  delete: async () => undefined,
  putMany: refuse,
  getMany: async function* () {},
  deleteMany: async function* () {},
  batch: () => ({ put: () => undefined, delete: () => undefined, commit: refuse }),
  query: async function* () {},
  queryKeys: async function* () {},
}
