/** Texts a day that the figures in days stand for: an active conversation. */
export const TEXTS_SENT_PER_DAY = 50
export const TEXTS_RECEIVED_PER_DAY = 50
/** A device commits a new path after 100 boxes; commit, KeyPackage and Welcome take 4 to 6 boxes. */
const REFRESH_BOXES_PER_100 = 5

/**
 * Boxes of one sender's stream in one conversation that its contact links in a day: one per text sent, one
 * acknowledgement per text received (none batched: the worst case), and the key refreshes. Copies of a box are not
 * counted again; texts are short and none is offered twice.
 */
export function linkedBoxesPerDay(
  sent = TEXTS_SENT_PER_DAY,
  received = TEXTS_RECEIVED_PER_DAY,
): number {
  return (sent + received) * (1 + REFRESH_BOXES_PER_100 / 100)
}
