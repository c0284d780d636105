import type { Clock, FailpointName } from '../../../src/base/index.ts'
import type { MemoryNetwork } from '../../support/memory-net.ts'
import type { Machine } from './machine.ts'
import type { Fault } from './schedule.ts'
import type { Weather } from './weather.ts'

export interface IncidentsPorts {
  readonly clock: Clock
  readonly weather: Weather
  readonly air: MemoryNetwork
  readonly machines: readonly Machine[]
  /** Hears of each fault, and of each moment at which a machine was cut off. */
  readonly count: (what: string) => void
}

type Crash = Extract<Fault, { kind: 'crash' }>
type Stop = Extract<Fault, { kind: 'failpoint' }>

/** Makes the faults of a schedule happen, and undoes them when they are over. */
export class Incidents {
  readonly #ports: IncidentsPorts
  /** Crashes that wait for a step of their machine. */
  readonly #traps = new Map<Machine, Crash & { left: number }>()
  /** Stops that wait for some machine to reach their failpoint. */
  readonly #stops = new Set<Stop & { left: number }>()

  constructor(ports: IncidentsPorts) {
    this.#ports = ports
  }

  /** Crashes and errors that have not happened will not. */
  disarm(): void {
    this.#traps.clear()
    this.#stops.clear()
    for (const { disk } of this.#ports.machines) disk.disarm()
  }

  /** At its time. */
  begin(fault: Fault): void {
    const { forMs } = { forMs: 0, ...fault }
    const machine = this.#ports.machines['node' in fault ? fault.node : 0]
    if (machine === undefined) return
    this.#ports.count(`fault ${fault.kind}`)
    const over = (undo: () => void): void => void this.#ports.clock.setTimer(forMs, undo)
    const during = (set: Set<number>, value: number): void => {
      // Two faults of one strength are two.
      const own = value + set.size * 1e-9
      set.add(own)
      over(() => set.delete(own))
    }
    switch (fault.kind) {
      case 'loss':
        return during(this.#ports.weather.losses, fault.share)
      case 'twice':
        return during(this.#ports.weather.doubles, fault.share)
      case 'reorder':
        return during(this.#ports.weather.delays, fault.byMs)
      case 'partition':
        this.#partition(fault, 1)
        return over(() => this.#partition(fault, -1))
      case 'crash':
        if (fault.on === 'now') this.#crash(machine, fault, 'crash now')
        else this.#traps.set(machine, { ...fault, left: fault.after })
        return
      case 'failpoint':
        this.#stops.add({ ...fault, left: fault.after })
        return
      case 'restart':
        return machine.stop(() => this.#later(fault.downMs, () => machine.start()))
      case 'write-error':
        return machine.disk.failWrite({ afterWrites: fault.after, kept: fault.kept })
      case 'file-error':
        return machine.disk.failFile(fault)
      case 'full-disk':
        machine.disk.fill(fault.bytes)
        return over(() => machine.disk.free())
      case 'clock-step':
        machine.stepClock(fault.byMs)
        return over(() => machine.stepClock(0))
      case 'drift':
        machine.driftClock(fault.rate)
        return over(() => machine.driftClock(1))
      case 'slow-peer':
        this.#ports.weather.slow(fault.node, fault.byMs)
        return over(() => this.#ports.weather.slow(fault.node, -fault.byMs))
      case 'slow-disk':
        machine.disk.slowMs += fault.byMs
        return over(() => {
          machine.disk.slowMs -= fault.byMs
        })
    }
  }

  #later(ms: number, fn: () => void): void {
    this.#ports.clock.setTimer(ms, fn)
  }

  #partition(fault: Extract<Fault, { kind: 'partition' }>, by: 1 | -1): void {
    for (const [a, b] of fault.cuts) {
      const [from, to] = [this.#ports.machines[a]?.nodeId, this.#ports.machines[b]?.nodeId]
      if (from === undefined || to === undefined) continue
      this.#ports.weather.cut(a, b, by)
      // A connection that stands in one direction only stands in none.
      if (!fault.silent) this.#ports.air.setLink(from, to, by === -1)
    }
  }

  #crash(machine: Machine, { fate, downMs }: Crash | Stop, at: string): void {
    if (!machine.isOn) return
    this.#ports.count(at)
    machine.cut(fate)
    this.#later(downMs, () => machine.start())
  }

  /** A step of a disk, or a packet: some crash waits for one of them. */
  step(machine: Machine, on: 'disk' | 'net', kind: string): void {
    const trap = this.#traps.get(machine)
    if (trap === undefined || trap.on !== on || trap.left-- > 0) return
    this.#traps.delete(machine)
    this.#crash(machine, trap, `crash ${on} ${kind}`)
  }

  /** One stop for each time that a failpoint is reached: two that wait for it take two machines, or two lives. */
  reach(machine: Machine, name: FailpointName): void {
    for (const stop of this.#stops) {
      if (stop.name !== name || stop.left-- > 0) continue
      this.#stops.delete(stop)
      this.#crash(machine, stop, `failpoint ${name}`)
      return
    }
  }
}
