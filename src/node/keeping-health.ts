import type { AuditTally } from '../conversation/index.ts'
import type { HealthEntry } from './api.ts'

/** Boxes get lost on the way too, and are offered again: a few that nobody keeps say nothing. */
const AUDITS_TO_WARN = 8
const LOST_TO_WARN = 0.5

/** What audits of own boxes tell this node's owner of those that keep them. */
export function keepingHealth({
  audited,
  failingKeepers,
}: {
  readonly audited: AuditTally
  readonly failingKeepers: number
}): HealthEntry[] {
  const found: HealthEntry[] = []
  if (audited.of >= AUDITS_TO_WARN && audited.lost > LOST_TO_WARN * audited.of) {
    found.push({
      severity: 'warning',
      code: 'BOXES_NOT_KEPT',
      text: `no keeper has ${audited.lost} of the last ${audited.of} boxes that this node asked for: who is away now may miss them until they are sent again`,
      fix: 'check the network connection; if it is fine, too few nodes keep boxes: have more of them run all day',
    })
  }
  if (failingKeepers > 0) {
    found.push({
      severity: 'warning',
      code: 'KEEPERS_FAILING',
      text: `keepers that lack most of what others keep: ${failingKeepers}`,
      fix: 'nothing is lost while others keep them; if it lasts, tell the operator: a node loses its disk, or leaves boxes out',
    })
  }
  return found
}
