import { encodeMlsMessage, generateKeyPackageWithKey, type KeyPackage } from 'ts-mls'
import {
  decodeKeyPackage,
  encodeKeyPackage,
  makeKeyPackageRef,
  verifyKeyPackage,
} from 'ts-mls/keyPackage.js'
import { verifyLeafNodeSignatureKeyPackage } from 'ts-mls/leafNode.js'
import { type Clock, concat, equalBytes } from '../../base/index.ts'
import { isValidPoint, signKeyPairFromSeed, wipe } from '../../crypto/index.ts'
import { decodeMessage, decodeStrictly } from './codec.ts'
import { CAPABILITIES } from './config.ts'
import {
  HPKE_PRIVATE_KEY_BYTES,
  HPKE_PUBLIC_KEY_BYTES,
  KEY_PACKAGE_CLOCK_SKEW_S,
  KEY_PACKAGE_SECRET_VERSION,
  MAILBOX_ROOT_BYTES,
  MAILBOX_ROOT_EXTENSION,
  MAX_CREDENTIAL_BYTES,
  MAX_KEY_PACKAGE_BYTES,
  MAX_KEY_PACKAGE_LIFETIME_S,
  MLS_CIPHER_SUITE,
  SIGNATURE_SEED_BYTES,
} from './constants.ts'
import { type Leaf, readLeaf } from './leaf.ts'
import { needBytes, refusing, reject, requireThat } from './reject.ts'
import type { MlsSuite } from './suite.ts'

/** The secret side of a leaf that is being made. */
export interface LeafSecrets {
  /** SECRET. Ed25519 seed, 32 bytes. */
  readonly signatureSeed: Uint8Array
  readonly credential: Uint8Array
  readonly mailboxRoot: Uint8Array
}

/** Seconds since 1970 UTC, both ends included; at most 30 days apart. */
export interface Lifetime {
  readonly notBefore: number
  readonly notAfter: number
}

export interface GeneratedKeyPackage {
  /** An MLSMessage, about 2.7 KB. Public within the conversation. */
  readonly keyPackage: Uint8Array
  /** SECRET. For one `joinSendGroup`; delete it in the batch that stores the joined state. */
  readonly secret: Uint8Array
  /** KeyPackageRef of RFC 9420 §5.2, 64 bytes: the id under which use is recorded. */
  readonly keyPackageRef: Uint8Array
}

/** A key package with its secrets, decoded. */
export interface OwnKeyPackage {
  readonly keyPackage: KeyPackage
  readonly ref: Uint8Array
  /** SECRET, views of one buffer: `wipe` clears them. */
  readonly initKey: Uint8Array
  readonly leafKey: Uint8Array
  readonly signatureSeed: Uint8Array
  wipe(): void
}

export function checkLeafSecrets(leaf: LeafSecrets): void {
  needBytes('signatureSeed', leaf.signatureSeed, SIGNATURE_SEED_BYTES, SIGNATURE_SEED_BYTES)
  needBytes('credential', leaf.credential, 1, MAX_CREDENTIAL_BYTES)
  needBytes('mailboxRoot', leaf.mailboxRoot, MAILBOX_ROOT_BYTES, MAILBOX_ROOT_BYTES)
  requireThat(isValidPoint(leaf.mailboxRoot), 'bad-extension')
}

function checkLifetime({ notBefore, notAfter }: Lifetime): void {
  const ok =
    Number.isSafeInteger(notBefore) &&
    Number.isSafeInteger(notAfter) &&
    notBefore >= 0 &&
    notAfter >= notBefore &&
    notAfter - notBefore <= MAX_KEY_PACKAGE_LIFETIME_S
  if (!ok) reject('bad-lifetime')
}

/** Makes a leaf, its key package and all its keys. The seed in the result is a copy. */
export async function makeKeyPackage(suite: MlsSuite, leaf: LeafSecrets, lifetime: Lifetime) {
  checkLeafSecrets(leaf)
  checkLifetime(lifetime)
  const signKey = leaf.signatureSeed.slice()
  const { publicKey, secretKey } = signKeyPairFromSeed(signKey)
  wipe(secretKey)
  return generateKeyPackageWithKey(
    { credentialType: 'basic', identity: leaf.credential.slice() },
    CAPABILITIES,
    { notBefore: BigInt(lifetime.notBefore), notAfter: BigInt(lifetime.notAfter) },
    [],
    { signKey, publicKey },
    suite,
    [{ extensionType: MAILBOX_ROOT_EXTENSION, extensionData: leaf.mailboxRoot.slice() }],
  )
}

/** See `MlsAdapter.generateKeyPackage`. */
export async function generateKeyPackage(
  suite: MlsSuite,
  leaf: LeafSecrets,
  lifetime: Lifetime,
): Promise<GeneratedKeyPackage> {
  const made = await makeKeyPackage(suite, leaf, lifetime)
  const keyPackage = made.publicPackage
  const keys = made.privatePackage
  const secret = concat(
    Uint8Array.of(KEY_PACKAGE_SECRET_VERSION),
    keys.initPrivateKey,
    keys.hpkePrivateKey,
    keys.signaturePrivateKey,
    encodeKeyPackage(keyPackage),
  )
  wipe(keys.initPrivateKey, keys.hpkePrivateKey, keys.signaturePrivateKey)
  return {
    keyPackage: encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage }),
    secret,
    keyPackageRef: await makeKeyPackageRef(keyPackage, suite.hash),
  }
}

/** Decodes what `generateKeyPackage` made. @throws HearsayError `mls-rejected` `bad-state`. */
export async function openKeyPackageSecret(
  suite: MlsSuite,
  secret: Uint8Array,
): Promise<OwnKeyPackage> {
  const header = 1 + 2 * HPKE_PRIVATE_KEY_BYTES + SIGNATURE_SEED_BYTES
  requireThat(
    secret instanceof Uint8Array &&
      secret.length > header &&
      secret.length <= header + MAX_KEY_PACKAGE_BYTES &&
      secret[0] === KEY_PACKAGE_SECRET_VERSION,
    'bad-state',
  )
  const copy = secret.slice()
  const keyPackage = decodeStrictly(
    copy.slice(header),
    decodeKeyPackage,
    encodeKeyPackage,
    'bad-state',
  )
  const leafAt = 1 + HPKE_PRIVATE_KEY_BYTES
  const seedAt = leafAt + HPKE_PRIVATE_KEY_BYTES
  return {
    keyPackage,
    ref: await makeKeyPackageRef(keyPackage, suite.hash),
    initKey: copy.subarray(1, leafAt),
    leafKey: copy.subarray(leafAt, seedAt),
    signatureSeed: copy.subarray(seedAt, header),
    wipe: () => wipe(copy),
  }
}

/**
 * Checks the form of another device's key package: suite, version, no extensions of its own, a sound leaf,
 * both signatures, init key and leaf key different. Not its lifetime against the clock: who hears an Add
 * days later must still accept it.
 */
export async function checkKeyPackage(suite: MlsSuite, keyPackage: KeyPackage): Promise<Leaf> {
  requireThat(keyPackage.version === 'mls10', 'wrong-version')
  requireThat(keyPackage.cipherSuite === MLS_CIPHER_SUITE, 'wrong-suite')
  requireThat(keyPackage.extensions.length === 0, 'bad-extension')
  requireThat(keyPackage.initKey.length === HPKE_PUBLIC_KEY_BYTES, 'bad-leaf')
  const { leafNode } = keyPackage
  requireThat(!equalBytes(keyPackage.initKey, leafNode.hpkePublicKey), 'duplicate-key')
  const leaf = readLeaf(leafNode, -1)
  const signed = await refusing(
    'bad-signature',
    async () =>
      (await verifyLeafNodeSignatureKeyPackage(leafNode, suite.signature)) &&
      (await verifyKeyPackage(keyPackage, suite.signature)),
  )
  requireThat(signed, 'bad-signature')
  return leaf
}

/** Decodes and checks a key package that is about to be added, its lifetime included. */
export async function openKeyPackage(
  suite: MlsSuite,
  clock: Pick<Clock, 'now'>,
  bytes: Uint8Array,
): Promise<{ keyPackage: KeyPackage; leaf: Leaf; ref: Uint8Array }> {
  const message = decodeMessage(bytes, MAX_KEY_PACKAGE_BYTES)
  requireThat(message.wireformat === 'mls_key_package', 'wrong-message')
  const { keyPackage } = message
  const leaf = await checkKeyPackage(suite, keyPackage)
  const now = BigInt(Math.floor(clock.now() / 1000))
  const { notBefore, notAfter } = keyPackage.leafNode.lifetime
  requireThat(notBefore <= now + BigInt(KEY_PACKAGE_CLOCK_SKEW_S), 'not-yet-valid')
  requireThat(now <= notAfter, 'expired')
  return { keyPackage, leaf, ref: await makeKeyPackageRef(keyPackage, suite.hash) }
}
