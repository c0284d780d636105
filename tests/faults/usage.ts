import { readdirSync, readFileSync } from 'node:fs'

/** What a process holds now; undefined when it has ended. Linux only. */
export function usageOf(pid: number): { rssMb: number; descriptors: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
    return {
      rssMb: Number(kilobytes) / 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    }
  } catch {
    return undefined
  }
}
