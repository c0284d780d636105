import {
  concat,
  equalBytes,
  fromHex,
  HearsayError,
  type Rng,
  toHex,
  utf8,
} from '../../src/base/index.ts'
import type { JobRunner } from '../../src/conversation/index.ts'
import { epochTag } from '../../src/conversation/epoch-tag.ts'
import { conversationId } from '../../src/conversation/identifiers.ts'
import { encodeRecord } from '../../src/conversation/records.ts'
import { sha512, signKeyPairFromSeed } from '../../src/crypto/index.ts'

/**
 * The conversation's jobs without public-key cryptography, for tests of everything around them: the same
 * shapes, sizes and order of epochs, a thousandth of the time, and no security at all.
 */
export function fakeJobs(rng: Rng): JobRunner {
  const refuse = (reason: string): never => {
    throw new HearsayError('mls-rejected', 'refused by the fake', { reason })
  }
  const derive = (secret: Uint8Array, use: string) => sha512(concat(secret, utf8(use)))
  const pack = (bytes: number, value: object) => {
    const text = utf8(JSON.stringify(value))
    return concat(text, new Uint8Array(bytes - text.length).fill(32))
  }
  const unpack = (bytes: Uint8Array) => {
    try {
      return JSON.parse(Buffer.from(bytes).toString()) as Record<string, string | number>
    } catch {
      return refuse('malformed')
    }
  }
  const group = (epoch: number, state: Uint8Array, root: Uint8Array) => ({
    generation: 0,
    epoch,
    state,
    writerRoot: root,
  })
  const own = (epoch: number) => {
    const state = rng.bytes(32)
    const rootSeed = rng.bytes(32)
    const root = signKeyPairFromSeed(rootSeed).publicKey
    return {
      ownGroup: group(epoch, state, root),
      writeEpoch: {
        tag: epochTag(0, epoch),
        streamSecret: derive(state, 'stream').slice(0, 32),
        rootSeed,
      },
      authenticator: derive(state, 'authenticator'),
      told: { epoch, state: toHex(state), root: toHex(root) },
    }
  }
  const enter = (told: Record<string, string | number>, after: number) => {
    const state = fromHex(String(told['state']))
    const root = fromHex(String(told['root']))
    const epoch = Number(told['epoch'])
    if (epoch <= after) refuse('stale-epoch')
    return {
      peerGroup: group(epoch, state, root),
      readEpoch: {
        tag: epochTag(0, epoch),
        streamSecret: derive(state, 'stream').slice(0, 32),
        root,
      },
      authenticator: derive(state, 'authenticator'),
    }
  }
  const nameOf = (keyPackage: Uint8Array) => toHex(keyPackage.subarray(0, 32))
  const jobs: JobRunner = {
    introduce: async ({ now }) => {
      const keyPackage = concat(rng.bytes(32), new Uint8Array(2700))
      return { keyPackage, secret: derive(keyPackage, 'secret'), createdAt: now }
    },
    acceptClaim: async ({ self, inviterRoot, claim, now }) => {
      if (claim.keyPackage.length !== 2732) refuse('malformed')
      const { publicKey: accountKey } = signKeyPairFromSeed(self.accountSeed)
      const keyPackage = await jobs.introduce({
        self,
        context: inviterRoot,
        mailboxRoot: inviterRoot,
        now,
      })
      const conversation = conversationId({
        networkId: self.networkId,
        inviterRoot,
        inviterAccount: accountKey,
        claimerAccount: claim.accountKey,
        inviterKeyPackage: keyPackage.keyPackage,
        claimerKeyPackage: claim.keyPackage,
      })
      const made = own(1)
      const offer = encodeRecord({
        kind: 'offer',
        accountKey,
        deviceId: self.deviceId,
        keyPackage: keyPackage.keyPackage,
        welcome: pack(5900, { ...made.told, for: nameOf(claim.keyPackage) }),
      })
      return { conversation, offer, keyPackage, ...made }
    },
    acceptOffer: async ({ self, inviterRoot, keyPackage, offer }) => {
      const told = unpack(offer.welcome)
      if (told['for'] !== nameOf(keyPackage.keyPackage)) refuse('not-for-us')
      const conversation = conversationId({
        networkId: self.networkId,
        inviterRoot,
        inviterAccount: offer.accountKey,
        claimerAccount: signKeyPairFromSeed(self.accountSeed).publicKey,
        inviterKeyPackage: offer.keyPackage,
        claimerKeyPackage: keyPackage.keyPackage,
      })
      const joined = enter(told, 0)
      const made = own(1)
      const authenticators = {
        inviterAuthenticator: joined.authenticator,
        claimerAuthenticator: made.authenticator,
      }
      const finish = encodeRecord({
        kind: 'finish',
        welcome: pack(5900, { ...made.told, for: nameOf(offer.keyPackage) }),
        inviterGroup: joined.authenticator,
        claimerGroup: made.authenticator,
      })
      return { conversation, finish, ...made, ...joined, ...authenticators }
    },
    acceptFinish: async ({ keyPackage, authenticator, finish }) => {
      const told = unpack(finish.welcome)
      if (told['for'] !== nameOf(keyPackage.keyPackage)) refuse('not-for-us')
      const joined = enter(told, 0)
      if (!equalBytes(finish.inviterGroup, authenticator)) refuse('authenticator')
      if (!equalBytes(finish.claimerGroup, joined.authenticator)) refuse('authenticator')
      const confirm = encodeRecord({
        kind: 'confirm',
        inviterGroup: authenticator,
        claimerGroup: joined.authenticator,
      })
      return { ...joined, confirm }
    },
    refresh: async ({ self, ownGroup, theirKeyPackage, offersKeyPackage, now }) => {
      const made = own(ownGroup.epoch + (theirKeyPackage === undefined ? 1 : 2))
      const record =
        theirKeyPackage === undefined
          ? encodeRecord({ kind: 'commit', commit: pack(4200, made.told) })
          : encodeRecord({
              kind: 'welcome',
              generation: 0,
              welcome: pack(5900, { ...made.told, for: nameOf(theirKeyPackage) }),
            })
      const place = { self, context: self.deviceId, mailboxRoot: made.ownGroup.writerRoot, now }
      return {
        ...made,
        record,
        kind: theirKeyPackage === undefined ? 'commit' : 'welcome',
        keyPackage: offersKeyPackage ? await jobs.introduce(place) : undefined,
      }
    },
    followCommit: async ({ peerGroup, commit }) => {
      const told = unpack(commit)
      if (told['epoch'] !== peerGroup.epoch + 1) refuse('future-epoch')
      return enter(told, peerGroup.epoch)
    },
    followWelcome: async ({ peerGroup, welcome, keyPackages }) => {
      const told = unpack(welcome)
      const used = keyPackages.findIndex((held) => told['for'] === nameOf(held.keyPackage))
      if (used < 0) refuse('not-for-us')
      return { ...enter(told, peerGroup.epoch), used }
    },
  }
  return jobs
}
