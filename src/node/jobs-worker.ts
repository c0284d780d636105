import { parentPort } from 'node:worker_threads'
import { HearsayError, systemClock, systemRng } from '../base/index.ts'
import { ConversationJobs, type JobName, MlsAdapter } from '../conversation/index.ts'

/** The worker thread of `WorkerJobs`: runs one job after another and keeps nothing between them. */
interface Call {
  readonly id: number
  readonly job: JobName
  readonly input: never
}

const jobs = new ConversationJobs({
  mls: new MlsAdapter({ rng: systemRng, clock: systemClock }),
  rng: systemRng,
})

async function run({ id, job, input }: Call): Promise<void> {
  try {
    parentPort?.postMessage({ id, output: await jobs[job](input) })
  } catch (error) {
    const { code, message, details } =
      error instanceof HearsayError
        ? error
        : { code: 'bug', message: 'a conversation job failed', details: {} }
    parentPort?.postMessage({ id, error: { code, message, details } })
  }
}

let last = Promise.resolve()
parentPort?.on('message', (call: Call) => {
  last = last.then(() => run(call))
})
