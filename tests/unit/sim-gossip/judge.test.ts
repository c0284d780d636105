import { describe, expect, it } from 'vitest'
import { type HearOptions, modelHearTimes } from '../../sim/gossip/hear-times.ts'
import { judgeModel, MAX_DISTANCE } from '../../sim/gossip/judge.ts'

const OPTIONS: HearOptions = {
  nodes: 8,
  messages: 80,
  everyMs: 400,
  latencyMs: [100, 400],
  seed: '1',
}
const HEARD = OPTIONS.messages * (OPTIONS.nodes - 1)

// `gossipsubHearTimes(OPTIONS)` on 2026-11-27, two cores at a load of ten: of five hear times one, in milliseconds.
const RECORDED = [
  109, 115, 117, 119, 122, 125, 127, 128, 130, 131, 132, 133, 134, 135, 137, 137, 139, 142, 144,
  146, 147, 151, 156, 158, 161, 165, 167, 170, 172, 173, 175, 177, 179, 181, 183, 189, 193, 197,
  200, 201, 206, 208, 214, 219, 224, 229, 232, 235, 238, 242, 244, 245, 246, 248, 251, 252, 253,
  254, 257, 258, 259, 261, 261, 264, 266, 267, 269, 271, 274, 277, 281, 283, 283, 286, 290, 293,
  296, 298, 302, 305, 308, 311, 314, 321, 328, 331, 336, 341, 343, 346, 354, 366, 372, 376, 381,
  383, 389, 404, 417, 423, 427, 445, 458, 475, 485, 523, 538, 551, 608, 672, 694, 732,
]
const gossipsub = RECORDED.flatMap((ms) =>
  Array.from({ length: HEARD / RECORDED.length }, () => ms),
)

async function judge(changes: Partial<HearOptions> = {}) {
  return judgeModel(await modelHearTimes({ ...OPTIONS, ...changes }), gossipsub, HEARD)
}

describe('the check of the model of gossip', () => {
  it('passes the model that the simulations use, whatever its seed', async () => {
    for (const seed of ['1', '2', '3']) {
      const { ok, text } = await judge({ seed })
      expect(text).toMatch(/^Inside: /)
      expect(ok).toBe(true)
    }
  })

  it.each<[string, Partial<HearOptions>]>([
    ['twice as slow', { latencyMs: [200, 800] }],
    ['twice as fast', { latencyMs: [50, 200] }],
    ['without more than two links a node', { meshDegree: 2 }],
  ])('fails a model that is %s', async (_name, changes) => {
    const { ok, distance, text } = await judge(changes)
    expect(text).toMatch(/^Outside: /)
    expect(ok).toBe(false)
    expect(distance).toBeGreaterThan(1.5 * MAX_DISTANCE)
  })

  it('fails one that does not hear everything', async () => {
    const model = await modelHearTimes(OPTIONS)
    expect(judgeModel(model.slice(1), gossipsub, HEARD)).toMatchObject({
      ok: false,
      text: 'Outside: 1 and 0 of 560 were not heard, in the model and with gossipsub.',
    })
  })
})
