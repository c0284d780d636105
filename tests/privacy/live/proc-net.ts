import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** An established TCP connection over IPv4, as one of its two ends has it. */
export interface TcpSocket {
  readonly local: string
  readonly remote: string
  readonly inode: string
}

const ESTABLISHED = '01'

/** Linux only. Addresses are `host:port`. */
export function establishedSockets(): TcpSocket[] {
  return parseTcpTable(readFileSync('/proc/net/tcp', 'utf8'))
}

/** The established connections of a /proc/net/tcp. */
export function parseTcpTable(text: string): TcpSocket[] {
  const sockets: TcpSocket[] = []
  for (const line of text.split('\n').slice(1)) {
    const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/)
    if (state !== ESTABLISHED || local === undefined || remote === undefined) continue
    sockets.push({ local: addressOf(local), remote: addressOf(remote), inode: inode ?? '' })
  }
  return sockets
}

/** `0100007F:1F90` is 127.0.0.1:8080: the address in the byte order of a little-endian machine. */
function addressOf(hex: string): string {
  const [address = '', port = ''] = hex.split(':')
  const bytes = address.match(/../g) ?? []
  const host = bytes.toReversed().map((byte) => Number.parseInt(byte, 16))
  return `${host.join('.')}:${Number.parseInt(port, 16)}`
}

/**
 * Which daemon has the end `local` of a connection: the name of its home's folder. Processes are known by their
 * command line, which names a home inside `dir`. Undefined when none of them has it.
 */
export function ownerOf(local: string, dir: string): string | undefined {
  const socket = establishedSockets().find((each) => each.local === local)
  if (socket === undefined) return undefined
  const wanted = `socket:[${socket.inode}]`
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const home = homeOf(pid, dir)
    if (home !== undefined && hasDescriptor(pid, wanted)) return home
  }
  return undefined
}

function homeOf(pid: string, dir: string): string | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const home = words[words.indexOf('--home') + 1]
    return words.includes('--home') && home?.startsWith(`${dir}/`)
      ? home.slice(dir.length + 1)
      : undefined
  } catch {
    // It has ended, or belongs to somebody else.
    return undefined
  }
}

function hasDescriptor(pid: string, wanted: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === wanted
      } catch {
        return false
      }
    })
  } catch {
    return false
  }
}
