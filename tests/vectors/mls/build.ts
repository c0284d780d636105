/**
 * The story behind send-group.json, told with a seeded generator: every byte of it follows from the seed.
 * `node tests/vectors/mls/build.ts` writes the file anew; that is a change of protocol, with a new version.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Rng, toHex } from '../../../src/base/index.ts'
import { type LeafSecrets, MlsAdapter } from '../../../src/conversation/mls/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

export const NOW_MS = 1_800_000_000_000
const LIFETIME = { notBefore: 1_799_999_000, notAfter: 1_800_100_000 }

function leafOf(rng: Rng): LeafSecrets {
  return {
    signatureSeed: rng.bytes(32),
    credential: rng.bytes(104),
    mailboxRoot: signKeyPairFromSeed(rng.bytes(32)).publicKey,
  }
}

function publicPart(leaf: LeafSecrets) {
  return {
    signatureKey: toHex(signKeyPairFromSeed(leaf.signatureSeed).publicKey),
    credential: toHex(leaf.credential),
    mailboxRoot: toHex(leaf.mailboxRoot),
  }
}

export async function buildVectors(seed: string) {
  const rng = seededRng(seed)
  const mls = new MlsAdapter({ rng, clock: { now: () => NOW_MS } })
  const [owner, first, second, healed] = [leafOf(rng), leafOf(rng), leafOf(rng), leafOf(rng)]
  const groupId = rng.bytes(32)
  const psk = { id: rng.bytes(16), secret: rng.bytes(32) }
  const own = await mls.generateKeyPackage({ ...first, lifetime: LIFETIME })
  const late = await mls.generateKeyPackage({ ...second, lifetime: LIFETIME })
  const created = await mls.createSendGroup({ groupId, owner })
  const add = await mls.addMembers({ state: created.state, keyPackages: [own.keyPackage], psk })
  const one = await mls.exportStream({ state: add.state })
  const heal = await mls.refresh({ state: one.state, newLeaf: healed })
  const two = await mls.exportStream({ state: heal.state })
  const grow = await mls.addMembers({ state: two.state, keyPackages: [late.keyPackage] })
  const three = await mls.exportStream({ state: grow.state })
  const shrink = await mls.removeMember({ state: three.state, leafIndex: 1 })
  const four = await mls.exportStream({ state: shrink.state })
  const epochOf = (out: typeof one) => ({
    epoch: out.epoch,
    streamSecret: toHex(out.streamSecret),
    epochAuthenticator: toHex(out.epochAuthenticator),
  })
  return {
    comment: 'X-Wing, ChaCha20-Poly1305, SHA-512, Ed25519. Made by tests/vectors/mls/build.ts.',
    version: 1,
    seed,
    nowMs: NOW_MS,
    groupId: toHex(groupId),
    psk: { id: toHex(psk.id), secret: toHex(psk.secret) },
    roster: [owner, first, second, healed].map(publicPart),
    first: {
      keyPackage: toHex(own.keyPackage),
      keyPackageRef: toHex(own.keyPackageRef),
      secret: toHex(own.secret),
      welcome: toHex(add.welcome),
    },
    second: {
      keyPackageRef: toHex(late.keyPackageRef),
      secret: toHex(late.secret),
      welcome: toHex(grow.welcome),
    },
    commits: [heal.commit, grow.commit, shrink.commit].map(toHex),
    epochs: [one, two, three, four].map(epochOf),
  }
}

export type SendGroupVectors = Awaited<ReturnType<typeof buildVectors>>

if (import.meta.main) {
  const vectors = await buildVectors('hearsay mls send group 1')
  const file = join(import.meta.dirname, 'send-group.json')
  await writeFile(file, `${JSON.stringify(vectors, null, 2)}\n`)
}
