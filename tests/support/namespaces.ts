import { join } from 'node:path'
import { Sandbox } from './sandbox.ts'

const WITHOUT_OFFLOAD = join(import.meta.dirname, 'without-offload.py')

/**
 * Hosts that are network namespaces of this machine, each in a /24 of its own behind one router, with iproute2 and
 * nothing else. No packet leaves them, and no device appears outside.
 */
export class Namespaces {
  readonly #sandbox = new Sandbox()
  readonly #prefix = `hearsay-${process.pid}`
  readonly #names: string[] = []

  /** Why this machine cannot do it; undefined where it can. */
  static missing(): string | undefined {
    let probe: Namespaces | undefined
    try {
      probe = new Namespaces()
      probe.add('probe', 250)
      probe.closeDoor('probe')
      return undefined
    } catch (error) {
      return (error as Error).message
    } finally {
      probe?.remove()
    }
  }

  /** Adds a host at 10.`net`.0.2 and returns its address. */
  add(name: string, net: number): string {
    if (this.#names.length === 0) {
      this.#create('router')
      this.#in('router', ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    }
    this.#create(name)
    const [inner, outer] = [this.#full(name), this.#full('router')]
    const port = `net${net}`
    const [near, far] = [hardwareAddress(net, 2), hardwareAddress(net, 1)]
    const eth0 = ['eth0', 'address', near, 'netns', inner]
    const peer = [port, 'address', far, 'netns', outer]
    this.#ip(['link', 'add', ...eth0, 'type', 'veth', 'peer', 'name', ...peer])
    this.#ip(['-n', outer, 'address', 'add', `10.${net}.0.1/24`, 'dev', port])
    this.#ip(['-n', outer, 'link', 'set', port, 'up'])
    this.#ip(['-n', inner, 'address', 'add', `10.${net}.0.2/24`, 'dev', 'eth0'])
    this.#ip(['-n', inner, 'link', 'set', 'eth0', 'up'])
    this.#ip(['-n', inner, 'route', 'add', 'default', 'via', `10.${net}.0.1`])
    return `10.${net}.0.2`
  }

  /** From now on the router passes nothing on: somebody else carries the packets, which are as on a real wire. */
  cutRouter(): void {
    this.#in('router', ['sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward'])
    for (const name of this.#names) {
      if (name !== 'router') this.#in(name, ['python3', WITHOUT_OFFLOAD, 'eth0'])
    }
  }

  /** The words in front of a command that runs on the router. */
  onRouter(): [string, ...string[]] {
    return this.on('router')
  }

  /** Gives a host an address of its own that no other host has a route to. */
  addPrivate(name: string, address: string): void {
    this.#ip(['-n', this.#full(name), 'address', 'add', `${address}/32`, 'dev', 'lo'])
  }

  /** From now on nobody can open a TCP connection to the host; its own connections work: a firewall. */
  closeDoor(name: string): void {
    const inner = this.#full(name)
    this.#ip(['-n', inner, 'link', 'add', 'sink', 'type', 'veth', 'peer', 'drain'])
    this.#ip(['-n', inner, 'link', 'set', 'sink', 'up'])
    this.#in(name, ['tc', 'qdisc', 'add', 'dev', 'eth0', 'clsact'])
    // SYN without ACK goes into a cable that ends nowhere: this needs no packet filter.
    const syn = ['match', 'ip', 'protocol', '6', '0xff', 'match', 'u8', '0x02', '0x12', 'at', '33']
    const drop = ['action', 'mirred', 'egress', 'redirect', 'dev', 'sink']
    const filter = ['filter', 'add', 'dev', 'eth0', 'ingress', 'protocol', 'ip', 'u32']
    this.#in(name, ['tc', ...filter, ...syn, ...drop])
  }

  openDoor(name: string): void {
    this.#in(name, ['tc', 'qdisc', 'delete', 'dev', 'eth0', 'clsact'])
    this.#ip(['-n', this.#full(name), 'link', 'delete', 'sink'])
  }

  /** The words in front of a command that runs on the host. */
  on(name: string): [string, ...string[]] {
    const [first, ...rest] = [...this.#sandbox.words, 'ip']
    return [first, ...rest, 'netns', 'exec', this.#full(name)]
  }

  /** Removes the hosts; what runs there has to be ended first. */
  remove(): void {
    for (const name of this.#names.splice(0)) {
      try {
        this.#ip(['netns', 'delete', this.#full(name)])
      } catch {
        // It never came about.
      }
    }
    this.#sandbox.close()
  }

  #create(name: string): void {
    this.#ip(['netns', 'add', this.#full(name)])
    this.#names.push(name)
    this.#ip(['-n', this.#full(name), 'link', 'set', 'lo', 'up'])
  }

  #full(name: string): string {
    return `${this.#prefix}-${name}`
  }

  #in(name: string, command: string[]): void {
    this.#sandbox.run('ip', 'netns', 'exec', this.#full(name), ...command)
  }

  #ip(words: string[]): void {
    this.#sandbox.run('ip', ...words)
  }
}

/** Of the router (1) or the host (2) of a net: `packet-wire.py` reckons with it. */
function hardwareAddress(net: number, host: 1 | 2): string {
  return `02:00:00:00:${net.toString(16).padStart(2, '0')}:0${host}`
}
