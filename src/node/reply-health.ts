import type { MixStatus } from '../mix/index.ts'
import type { HealthEntry } from './api.ts'

/** Below this share of answered requests a message takes several offers: somewhere the network is cut. */
const REPLIES_TO_WARN = 0.5

/** What the share of this node's packets that come back tells its owner; undefined while there is nothing to tell. */
export function replyHealth({
  state,
  replyRate,
}: Pick<MixStatus, 'state' | 'replyRate'>): HealthEntry | undefined {
  if (state === 'few-replies') {
    return {
      severity: 'warning',
      code: 'FEW_REPLIES',
      text: 'too few of this node’s packets come back: messages wait, cover goes on',
      fix: 'check the network connection; if it is fine, mixes fail or somebody interferes: wait, or ask the operator',
    }
  }
  if (replyRate === undefined || replyRate >= REPLIES_TO_WARN) return undefined
  return {
    severity: 'warning',
    code: 'REPLIES_LOST',
    text: `only ${Math.round(100 * replyRate)} % of this node’s packets come back: messages take longer`,
    fix: 'check the network connection; if it is fine, wait: mixes that went away are soon left out',
  }
}
