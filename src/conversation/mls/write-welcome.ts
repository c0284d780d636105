import { encodeMlsMessage, type GroupInfo, type KeyPackage, type RatchetTree } from 'ts-mls'
import { makeKeyPackageRef } from 'ts-mls/keyPackage.js'
import { type LeafIndex, toLeafIndex } from 'ts-mls/treemath.js'
import { firstCommonAncestor, type PathSecret } from 'ts-mls/updatePath.js'
import { encryptGroupInfo, encryptGroupSecrets } from 'ts-mls/welcome.js'
import { HearsayError } from '../../base/index.ts'
import { OWNER_LEAF } from './constants.ts'
import type { MlsSuite } from './suite.ts'

export interface WelcomeParts {
  readonly added: readonly (readonly [LeafIndex, KeyPackage])[]
  readonly tree: RatchetTree
  readonly pathSecrets: readonly PathSecret[]
  /** SECRET, like the next. */
  readonly joinerSecret: Uint8Array
  readonly welcomeSecret: Uint8Array
  readonly psks: Parameters<typeof encryptGroupSecrets>[2]['psks']
  readonly groupInfo: GroupInfo
}

/** One Welcome (RFC 9420 §12.4.3.1) for all added leaves, the ratchet tree inside. */
export async function writeWelcome(suite: MlsSuite, parts: WelcomeParts): Promise<Uint8Array> {
  const encryptedGroupInfo = await encryptGroupInfo(parts.groupInfo, parts.welcomeSecret, suite)
  const secrets = []
  for (const [leafIndex, keyPackage] of parts.added) {
    const ancestor = firstCommonAncestor(parts.tree, leafIndex, toLeafIndex(OWNER_LEAF))
    const pathSecret = parts.pathSecrets.find((step) => step.nodeIndex === ancestor)?.secret
    if (pathSecret === undefined) throw new HearsayError('bug', 'no path secret for a new leaf')
    const sealed = await encryptGroupSecrets(
      await suite.hpke.importPublicKey(keyPackage.initKey),
      encryptedGroupInfo,
      { joinerSecret: parts.joinerSecret, pathSecret, psks: parts.psks },
      suite.hpke,
    )
    secrets.push({
      newMember: await makeKeyPackageRef(keyPackage, suite.hash),
      encryptedGroupSecrets: { kemOutput: sealed.enc, ciphertext: sealed.ct },
    })
  }
  return encodeMlsMessage({
    version: 'mls10',
    wireformat: 'mls_welcome',
    welcome: { cipherSuite: parts.groupInfo.groupContext.cipherSuite, secrets, encryptedGroupInfo },
  })
}
