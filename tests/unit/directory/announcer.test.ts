import { describe, expect, it } from 'vitest'
import { HOUR_MS, silentLogger, TaskGroup } from '../../../src/base/index.ts'
import {
  type AdmissionProof,
  admissionFault,
  admitByInvitation,
  admitOpen,
} from '../../../src/directory/admission.ts'
import { Announcer } from '../../../src/directory/announcer.ts'
import {
  createInvitation,
  type Descriptor,
  type Network,
  withInvitation,
} from '../../../src/directory/index.ts'
import type { DirectoryStore } from '../../../src/directory/directory-store.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { OPERATOR_SEED, T0, testContent, testNetwork, testNode } from './fixtures.ts'

const node = testNode(1)

interface Start {
  readonly now?: number
  readonly network?: Network
  readonly stored?: AdmissionProof
}

/** What an announcer does, and keeps and says of itself, when it starts. */
async function started({ now = T0, network = testNetwork(), stored }: Start = {}) {
  const said: string[] = []
  const saved: AdmissionProof[] = []
  const issued: Descriptor[] = []
  const store = {
    admission: async () => stored,
    saveAdmission: async (proof) => void saved.push(proof),
    putDescriptor: () => void said.push('put'),
    flush: async () => {
      await Promise.resolve()
      said.push('on disk')
    },
  } satisfies Pick<DirectoryStore, 'admission' | 'saveAdmission' | 'putDescriptor' | 'flush'>
  const tasks = new TaskGroup(silentLogger)
  const announcer = new Announcer(
    {
      clock: new VirtualClock(now),
      rng: seededRng('announcer'),
      log: silentLogger,
      pubsub: {
        publish: async () => {
          said.push('sent')
          return 1
        },
      },
      store: store as unknown as DirectoryStore,
      tasks,
      sign: node.sign,
      accept: (descriptor) => {
        said.push('in the table')
        issued.push(descriptor)
      },
      lastSequence: () => 0,
    },
    network,
    node.nodeId,
    testContent(network, node),
  )
  await announcer.start()
  await tasks.stop()
  return { said, saved, issued }
}

function invited(issuedAt: number): Network {
  const network = testNetwork('balanced')
  const invitation = createInvitation(network, {
    operatorSeed: OPERATOR_SEED,
    now: issuedAt,
    expiresAt: issuedAt + HOUR_MS,
    maxUses: 1,
    rng: seededRng('invitation'),
  })
  return withInvitation(network, invitation)
}

it('shows a descriptor to nobody, not even to those who ask, before it is on disk', async () => {
  const { said } = await started({ stored: admitOpen(T0) })
  expect(said).toEqual(['put', 'on disk', 'in the table', 'sent'])
})

describe('the admission of a node whose clock is behind', () => {
  it.each([
    ['the founding', testNetwork(), T0],
    ['its invitation', invited(T0 + HOUR_MS), T0 + HOUR_MS],
  ])('is dated from %s, so that others take it', async (_, network, from) => {
    const { saved, issued } = await started({ network, now: T0 - HOUR_MS })
    expect(saved.map(({ date }) => date)).toEqual([from])
    expect(issued).toMatchObject([{ issuedAt: from, admission: { date: from } }])
    for (const proof of saved) {
      expect(admissionFault(proof, node.nodeId, network)).toBeUndefined()
    }
  })

  it('is made anew where it was dated by that clock, and kept where it was not', async () => {
    const network = invited(T0)
    const { invitation } = network
    if (invitation === undefined) throw new Error('no invitation')
    const dated = (date: number) => admitByInvitation(network, invitation, node.nodeId, date)
    const now = T0 + 5
    const { saved } = await started({ network, now, stored: dated(T0 - 1) })
    expect(saved.map(({ date }) => date)).toEqual([now])
    const kept = await started({ network, now, stored: dated(T0 + 1) })
    expect(kept.saved).toEqual([])
    expect(kept.issued).toMatchObject([{ admission: { date: T0 + 1 } }])
  })
})
