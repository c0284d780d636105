import { MESH_DEGREE, type TopicScoring } from '../net/index.ts'

/** Messages that the counters of a topic should remember: enough to tell silence from chance. */
const MESSAGES_IN_MEMORY = 120
const MIN_MEMORY_SECONDS = 30
const MAX_MEMORY_SECONDS = 1_800
/**
 * Without IDONTWANT each honest mesh peer repeats every message that it did not have from us first, which
 * is most of them; a twentieth leaves room for slow links and chance.
 */
const MESH_SHARE = 0.05
/** An honest mesh peer collects about this much for what it was first to bring. */
const FIRST_POINTS_USUAL = 5
const FIRST_POINTS_CAP = 10

/**
 * Scoring of the publications topic for the rate that the network is frozen at. The demand on mesh peers
 * follows what is really heard and is capped at twice the expected rate, so neither silence nor a flood
 * makes honest nodes prune each other.
 */
export function publicationScoring(options: { publicationsPerSecond: number }): TopicScoring {
  const rate = Math.max(options.publicationsPerSecond, 1e-3)
  const memorySeconds = Math.min(
    Math.max(MESSAGES_IN_MEMORY / rate, MIN_MEMORY_SECONDS),
    MAX_MEMORY_SECONDS,
  )
  const remembered = rate * memorySeconds
  return {
    memorySeconds,
    meshShare: MESH_SHARE,
    meshShareCap: 2 * MESH_SHARE * remembered,
    // Enough to be pruned at once, not enough to lose the gossip by which it can make good.
    silentPoints: -8,
    firstPoints: FIRST_POINTS_USUAL / (remembered / MESH_DEGREE),
    firstPointsCap: FIRST_POINTS_CAP,
    // Four rejected messages graylist.
    invalidPoints: -5,
  }
}

/** Proofs are rare: nothing can be demanded, only nonsense is punished. */
export function proofScoring(): TopicScoring {
  return {
    memorySeconds: MAX_MEMORY_SECONDS,
    meshShare: 0,
    meshShareCap: 1,
    silentPoints: -1,
    firstPoints: 0.5,
    firstPointsCap: 1,
    invalidPoints: -10,
  }
}
