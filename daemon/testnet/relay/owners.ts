import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { systemCode } from '../../exit-codes.ts'

/** A node of the testnet whose process runs. */
export interface Owner {
  readonly index: number
  readonly pid: number
}

const ESTABLISHED = '01'

/**
 * Says which node has the other end of a connection on this machine, by what the kernel knows of its processes.
 * Linux only. Questions that come together share one look: after a partition all nodes dial at once.
 */
export class Owners {
  readonly #running: () => readonly Owner[]
  #asked: { local: string; resolve: (index: number | undefined) => void }[] = []

  /** `running`: the nodes of this moment; asked at every look, because a node that restarts is another process. */
  constructor(ports: { running: () => readonly Owner[] }) {
    this.#running = ports.running
  }

  /** The node that has the end `host:port`; undefined when none has it, or it has hung up already. */
  ownerOf(local: string): Promise<number | undefined> {
    return new Promise((resolve) => {
      if (this.#asked.length === 0) setImmediate(() => this.#look())
      this.#asked.push({ local, resolve })
    })
  }

  #look(): void {
    const asked = this.#asked
    this.#asked = []
    const inodes = parseTcpTable(readFileSync('/proc/net/tcp', 'utf8'))
    const wanted = new Set(asked.flatMap(({ local }) => inodes.get(local) ?? []))
    const found = new Map<string, number>()
    for (const owner of this.#running()) {
      if (found.size === wanted.size) break
      for (const inode of socketsOf(owner.pid)) {
        if (wanted.has(inode)) found.set(inode, owner.index)
      }
    }
    for (const { local, resolve } of asked) resolve(found.get(inodes.get(local) ?? ''))
  }
}

/** The inode of every established socket of a /proc/net/tcp, by its own end as `host:port`. */
export function parseTcpTable(text: string): Map<string, string> {
  const inodes = new Map<string, string>()
  for (const line of text.split('\n').slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    if (state !== ESTABLISHED || local === undefined || inode === undefined) continue
    inodes.set(addressOf(local), inode)
  }
  return inodes
}

/** `0100007F:1F90` is 127.0.0.1:8080: the address in the byte order of a little-endian machine. */
function addressOf(hex: string): string {
  const [address = '', port = ''] = hex.split(':')
  const bytes = address.match(/../g) ?? []
  const host = bytes.toReversed().map((byte) => Number.parseInt(byte, 16))
  return `${host.join('.')}:${Number.parseInt(port, 16)}`
}

/** The inodes of a process's sockets; none when it has ended. */
function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).flatMap((fd) => inodeOf(`${folder}/${fd}`) ?? [])
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'EACCES') return []
    throw error
  }
}

function inodeOf(descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(descriptor))?.[1]
  } catch {
    // Closed between the two looks.
    return undefined
  }
}
