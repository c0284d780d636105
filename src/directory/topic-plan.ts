import type { TopicPlan } from '../net/index.ts'
import { DIRECTORY_TOPIC, MAX_DIRECTORY_MESSAGE_BYTES } from './constants.ts'

/**
 * What `createNet` must be told about the directory's topic. Its messages are rare: nothing can be demanded of a
 * peer, only nonsense is punished.
 */
export function directoryTopicPlan(): TopicPlan {
  return {
    topic: DIRECTORY_TOPIC,
    maxMessageBytes: MAX_DIRECTORY_MESSAGE_BYTES,
    scoring: {
      memorySeconds: 600,
      meshShare: 0,
      meshShareCap: 1,
      silentPoints: -1,
      firstPoints: 0.5,
      firstPointsCap: 2,
      invalidPoints: -10,
    },
  }
}
