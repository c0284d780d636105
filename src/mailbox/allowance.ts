import { EVICT_BATCH, SCARCE_BOX_BYTES, STORED_BOX_BYTES } from './constants.ts'

/** Free bytes of the disk that a mailbox goes by, ascending. */
export interface SpaceMarks {
  /** Below this nothing is taken. */
  readonly noneBytes: number
  /** Below this boxes are let go, until `enoughBytes` are free. */
  readonly lowBytes: number
  /** So much a mailbox leaves free when it grows. */
  readonly enoughBytes: number
}

export interface DiskUse {
  readonly freeBytes: number
  /** Boxes that are here. */
  readonly boxes: number
  /** Boxes that could be here so far. */
  readonly limit: number
  /** What the disk gets back of boxes that went, when their tables are rewritten. */
  readonly owedBytes: number
}

/**
 * Boxes that may be here: what the disk has room for, within the quota, and always those of the last minutes, that is
 * `SCARCE_BOX_BYTES`, as far as they leave `noneBytes`.
 */
export function boxesAllowed(quotaBytes: number, marks: SpaceMarks, use: DiskUse): number {
  const recent = use.boxes + Math.max(0, inBoxes(use.freeBytes - marks.noneBytes))
  const allowed = Math.max(fitting(marks, use), Math.min(inBoxes(SCARCE_BOX_BYTES), recent))
  return Math.min(quotaBoxes(quotaBytes), allowed)
}

/** Boxes that a quota holds, at least one. */
export function quotaBoxes(quotaBytes: number): number {
  return Math.max(1, inBoxes(quotaBytes))
}

/**
 * Between the two marks no more than now: what was let go below the lower one must not be taken again above it. Nor fewer: a
 * mailbox that makes room for what comes has one batch less at times, which the disk does not show. For less than a batch
 * nothing is let go.
 */
function fitting({ lowBytes, enoughBytes }: SpaceMarks, use: DiskUse): number {
  const { freeBytes, boxes, limit, owedBytes } = use
  const lacking = inBoxes(freeBytes + owedBytes - enoughBytes)
  if (freeBytes < lowBytes && lacking < -EVICT_BATCH) return boxes + lacking
  const now = Math.min(limit, boxes + EVICT_BATCH)
  return Math.max(now, boxes + inBoxes(freeBytes - enoughBytes))
}

function inBoxes(bytes: number): number {
  return Math.floor(bytes / STORED_BOX_BYTES)
}
