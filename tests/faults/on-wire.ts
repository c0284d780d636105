import { PacketWire } from '../support/packet-wire.ts'
import { Hosts } from './hosts.ts'
import { type Plan, rehearse, type RunOptions, type Stage } from './rehearse.ts'
import type { Outcome } from './verdict.ts'

type Figures = Readonly<Record<string, string | number>>

export interface WirePlan extends Omit<Plan, 'relayed' | 'hosts' | 'faults'> {
  /** As of a plan; undefined where the nodes are behind the relay. */
  faults(stage: Stage, wire: PacketWire | undefined): Promise<Figures>
}

/**
 * Machines of their own for the nodes, and a wire between them that does to each packet what it is told: below TCP, as
 * networks do it. Where there can be none, the relay that `testnet link` uses, in which a loss is a delay.
 */
export async function onWire(options: RunOptions, { faults, ...plan }: WirePlan): Promise<Outcome> {
  const missing = Hosts.missing() ?? PacketWire.missing()
  if (missing !== undefined) {
    return rehearse(options, {
      ...plan,
      relayed: true,
      faults: async (stage) => ({
        ...(await faults(stage, undefined)),
        wire: `a relay, because ${missing}`,
      }),
    })
  }
  const hosts = new Hosts(plan.nodes)
  try {
    const wire = hosts.wired(options.seed)
    return await rehearse(options, {
      ...plan,
      hosts,
      faults: async (stage) => {
        const figures = await faults(stage, wire)
        return { ...figures, ...(await packets(wire)), wire: 'packets' }
      },
    })
  } finally {
    hosts.remove()
  }
}

async function packets(wire: PacketWire): Promise<Figures> {
  const { packets: passed = 0, ...others } = await wire.counts()
  const told = Object.entries(others).map(([what, count]) => [`packets ${what}`, count])
  return { 'packets sent': passed, ...Object.fromEntries(told) }
}
