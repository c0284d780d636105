import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { fromHex, systemRng, toHex } from '../../src/base/index.ts'
import { MlsAdapter } from '../../src/conversation/mls/index.ts'
import { buildVectors, NOW_MS, type SendGroupVectors } from './mls/build.ts'

let vectors: SendGroupVectors
const mls = new MlsAdapter({ rng: systemRng, clock: { now: () => NOW_MS } })

beforeAll(async () => {
  const text = await readFile(join(import.meta.dirname, 'mls', 'send-group.json'), 'utf8')
  vectors = JSON.parse(text) as SendGroupVectors
})

const leaf = (index: number) => {
  const { signatureKey, credential, mailboxRoot } = vectors.roster[index]!
  return {
    signatureKey: fromHex(signatureKey),
    credential: fromHex(credential),
    mailboxRoot: fromHex(mailboxRoot),
  }
}
const expected = (owner: number) => ({
  groupId: fromHex(vectors.groupId),
  ownerSignatureKey: leaf(owner).signatureKey,
  roster: [0, 1, 2, 3].map(leaf),
})

async function exported(state: Uint8Array) {
  const out = await mls.exportStream({ state })
  const { epoch } = out
  return {
    state: out.state,
    epoch: {
      epoch,
      streamSecret: toHex(out.streamSecret),
      epochAuthenticator: toHex(out.epochAuthenticator),
    },
  }
}

describe('the send-group vectors', () => {
  it('are joined and followed by the first member, epoch by epoch', async () => {
    const psk = { id: fromHex(vectors.psk.id), secret: fromHex(vectors.psk.secret) }
    const joined = await mls.joinSendGroup({
      welcome: fromHex(vectors.first.welcome),
      keyPackageSecret: fromHex(vectors.first.secret),
      psk,
      expect: expected(0),
    })
    expect(toHex(joined.keyPackageRef)).toBe(vectors.first.keyPackageRef)
    let at = await exported(joined.state)
    expect(at.epoch).toEqual(vectors.epochs[0])
    for (const [index, commit] of vectors.commits.slice(0, 2).entries()) {
      const input = { state: at.state, commit: fromHex(commit), expect: expected(3) }
      const done = await mls.processCommit(input)
      if (done.kind !== 'advanced') throw new Error('removed')
      at = await exported(done.state)
      expect(at.epoch).toEqual(vectors.epochs[index + 1])
    }
    const commit = fromHex(vectors.commits[2]!)
    const last = await mls.processCommit({ state: at.state, commit, expect: expected(3) })
    expect(last).toEqual({ kind: 'removed', epoch: 4 })
  })

  it('are joined and followed by the second member', async () => {
    const joined = await mls.joinSendGroup({
      welcome: fromHex(vectors.second.welcome),
      keyPackageSecret: fromHex(vectors.second.secret),
      expect: expected(3),
    })
    const at = await exported(joined.state)
    expect(at.epoch).toEqual(vectors.epochs[2])
    const commit = fromHex(vectors.commits[2]!)
    const done = await mls.processCommit({ state: at.state, commit, expect: expected(3) })
    if (done.kind !== 'advanced') throw new Error('removed')
    expect((await exported(done.state)).epoch).toEqual(vectors.epochs[3])
  })

  it('follow from their seed: all randomness comes through the port', async () => {
    expect(await buildVectors(vectors.seed)).toEqual(vectors)
  })
})
