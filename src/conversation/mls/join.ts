import {
  type GroupInfo,
  joinGroup,
  type PreSharedKeyID,
  type RatchetTree,
  type Welcome,
} from 'ts-mls'
import { decodeGroupInfo, encodeGroupInfo, extractWelcomeSecret } from 'ts-mls/groupInfo.js'
import { decodeGroupSecrets, encodeGroupSecrets } from 'ts-mls/groupSecrets.js'
import { accumulatePskSecret } from 'ts-mls/pskIndex.js'
import { decodeRatchetTree, encodeRatchetTree, findLeafIndex } from 'ts-mls/ratchetTree.js'
import { welcomeKey, welcomeNonce } from 'ts-mls/welcome.js'
import { decryptWithLabel } from 'ts-mls/crypto/hpke.js'
import { equalBytes, toHex } from '../../base/index.ts'
import { wipe } from '../../crypto/index.ts'
import { decodeMessage, decodeStrictly } from './codec.ts'
import { CLIENT_CONFIG, type Psk, pskIndex } from './config.ts'
import {
  MAX_GROUP_LEAVES,
  MAX_WELCOME_BYTES,
  MLS_CIPHER_SUITE,
  MLS_HASH_BYTES,
  OWNER_LEAF,
} from './constants.ts'
import type { OwnKeyPackage } from './key-package.ts'
import { type Leaf, readTree } from './leaf.ts'
import { checkPskUse } from './read-commit.ts'
import { refusing, reject, requireThat } from './reject.ts'
import { checkPathKeys, encodeState, wipeState } from './state.ts'
import type { MlsSuite } from './suite.ts'

/** A Welcome that opens with this key package and has the only allowed form; not yet joined. */
export interface OpenWelcome {
  readonly welcome: Welcome
  readonly groupInfo: GroupInfo
  readonly leaves: Leaf[]
  readonly ownIndex: number
}

/** Decodes a Welcome. @throws HearsayError `mls-rejected`. */
function readWelcome(bytes: Uint8Array): Welcome {
  const message = decodeMessage(bytes, MAX_WELCOME_BYTES)
  requireThat(message.wireformat === 'mls_welcome', 'wrong-message')
  const { welcome } = message
  requireThat(welcome.cipherSuite === MLS_CIPHER_SUITE, 'wrong-suite')
  const refs = new Set(welcome.secrets.map((secret) => toHex(secret.newMember)))
  requireThat(refs.size === welcome.secrets.length && refs.size < MAX_GROUP_LEAVES, 'malformed')
  return welcome
}

function readPskId(psks: readonly PreSharedKeyID[]): Uint8Array | undefined {
  const id = psks[0]
  if (id === undefined) return undefined
  requireThat(psks.length === 1 && id.psktype === 'external', 'proposal-type')
  requireThat(id.pskNonce.length === MLS_HASH_BYTES, 'proposal-type')
  return id.pskId
}

/** GroupInfo of the Welcome, strictly decoded from the plaintext. */
async function readGroupInfo(
  suite: MlsSuite,
  welcome: Welcome,
  own: OwnKeyPackage,
  psk: Psk | undefined,
): Promise<GroupInfo> {
  const sealed =
    welcome.secrets.find((secret) => equalBytes(secret.newMember, own.ref)) ?? reject('not-for-us')
  const { kemOutput, ciphertext } = sealed.encryptedGroupSecrets
  const plaintext = await refusing('undecryptable', async () =>
    decryptWithLabel(
      await suite.hpke.importPrivateKey(own.initKey),
      'Welcome',
      welcome.encryptedGroupInfo,
      kemOutput,
      ciphertext,
      suite.hpke,
    ),
  )
  try {
    const secrets = decodeStrictly(plaintext, decodeGroupSecrets, encodeGroupSecrets, 'malformed')
    checkPskUse(readPskId(secrets.psks), psk)
    const { pathSecret } = secrets
    requireThat(pathSecret !== undefined, 'no-path')
    requireThat(
      pathSecret.length === MLS_HASH_BYTES && secrets.joinerSecret.length === MLS_HASH_BYTES,
      'malformed',
    )
    const none = new Uint8Array(suite.kdf.size)
    const [pskSecret] = await accumulatePskSecret(secrets.psks, pskIndex(psk), suite, none)
    const welcomeSecret = await extractWelcomeSecret(secrets.joinerSecret, pskSecret, suite.kdf)
    const info = await refusing('undecryptable', async () =>
      suite.hpke.decryptAead(
        await welcomeKey(welcomeSecret, suite),
        await welcomeNonce(welcomeSecret, suite),
        undefined,
        welcome.encryptedGroupInfo,
      ),
    )
    wipe(pskSecret, welcomeSecret)
    return decodeStrictly(info, decodeGroupInfo, encodeGroupInfo, 'malformed')
  } finally {
    wipe(plaintext)
  }
}

function readTreeExtension(groupInfo: GroupInfo): RatchetTree {
  const extension = groupInfo.extensions[0]
  requireThat(
    groupInfo.extensions.length === 1 && extension?.extensionType === 'ratchet_tree',
    'bad-extension',
  )
  return decodeStrictly(extension.extensionData, decodeRatchetTree, encodeRatchetTree, 'bad-tree')
}

/** Decodes a Welcome and checks its form: signer, group context, tree, psk. Signatures: `enterGroup`. */
export async function openWelcome(
  suite: MlsSuite,
  bytes: Uint8Array,
  own: OwnKeyPackage,
  psk: Psk | undefined,
): Promise<OpenWelcome> {
  const welcome = readWelcome(bytes)
  const groupInfo = await readGroupInfo(suite, welcome, own, psk)
  const context = groupInfo.groupContext
  requireThat(context.version === 'mls10', 'wrong-version')
  requireThat(context.cipherSuite === MLS_CIPHER_SUITE, 'wrong-suite')
  requireThat(context.extensions.length === 0, 'bad-extension')
  requireThat(groupInfo.signer === OWNER_LEAF, 'not-owner')
  requireThat(context.epoch > 0n, 'no-path')
  const tree = readTreeExtension(groupInfo)
  const leaves = readTree(tree, context.epoch)
  const ownIndex = await refusing('not-for-us', () => findLeafIndex(tree, own.keyPackage.leafNode))
  if (ownIndex === undefined || Number(ownIndex) === OWNER_LEAF) return reject('not-for-us')
  return { welcome, groupInfo, leaves, ownIndex }
}

/** Joins: the library verifies all signatures, the tree hash, the parent hashes and the confirmation tag. */
export async function enterGroup(
  suite: MlsSuite,
  open: OpenWelcome,
  own: OwnKeyPackage,
  psk: Psk | undefined,
): Promise<Uint8Array> {
  const state = await refusing('library', () =>
    joinGroup(
      open.welcome,
      own.keyPackage,
      {
        initPrivateKey: own.initKey,
        hpkePrivateKey: own.leafKey,
        signaturePrivateKey: own.signatureSeed,
      },
      pskIndex(psk),
      suite,
      undefined,
      undefined,
      CLIENT_CONFIG,
    ),
  )
  try {
    await checkPathKeys(suite, state)
    return encodeState(state)
  } finally {
    wipeState(state)
  }
}
