import { fromBase64Url, toBase64Url } from '../base/index.ts'
import { parse, stringify, type TomlTable } from 'smol-toml'
import { checkParameters, PARAMETER_NAMES } from './check-parameters.ts'
import { checkNetwork } from './check-network.ts'
import { DIRECTORY_VERSION } from './constants.ts'
import { fileFault } from './file-fault.ts'
import { networkIdOf } from './genesis.ts'
import type { Genesis, Invitation, Network } from './network.ts'
import { networkWords } from './network-words.ts'

const time = (ms: number) => new Date(ms).toISOString()

/**
 * The text form: TOML for people, with the same content as the URI. The signature is over the content, so
 * comments and spacing are free and any other change is noticed. It holds the pre-shared key and perhaps an
 * invitation: whoever has it can join.
 */
export function encodeNetworkFile(network: Network): string {
  const { expiresAt, upgrade, invitation, parameters } = network
  const table: TomlTable = {
    format: DIRECTORY_VERSION,
    name: network.name,
    id: toBase64Url(network.id),
    operator: toBase64Url(network.operatorKey),
    created: time(network.createdAt),
    protocol: network.protocolVersion,
    pnet_key: toBase64Url(network.pnetKey),
    issued: time(network.issuedAt),
    ...(expiresAt === undefined ? {} : { expires: time(expiresAt) }),
    bootstraps: [...network.bootstraps],
    parameters: Object.fromEntries(PARAMETER_NAMES.map((name) => [name, parameters[name]])),
    ...(upgrade === undefined ? {} : { upgrade: { ...upgrade } }),
    ...(invitation === undefined ? {} : { invitation: invitationTable(invitation) }),
    signed: { signature: toBase64Url(network.signature) },
  }
  const words = networkWords(network.id).join(' ')
  return `# Hearsay network "${network.name}": ${words}\n${stringify(table)}\n`
}

function invitationTable({ seed, grant }: Invitation): TomlTable {
  return {
    seed: toBase64Url(seed),
    id: toBase64Url(grant.id),
    issued: time(grant.issuedAt),
    expires: time(grant.expiresAt),
    max_uses: grant.maxUses,
    signature: toBase64Url(grant.signature),
  }
}

/** Takes named values out of a TOML table; whatever is left at the end is the fault `unknown-field`. */
class Table {
  readonly #left: Map<string, unknown>

  constructor(value: unknown, name: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw fileFault('field', { name })
    }
    this.#left = new Map(Object.entries(value))
  }

  take(name: string): unknown {
    const value = this.#left.get(name)
    this.#left.delete(name)
    return value
  }

  text(name: string): string {
    const value = this.take(name)
    if (typeof value !== 'string') throw fileFault('field', { name })
    return value
  }

  integer(name: string): number {
    const value = this.take(name)
    if (typeof value !== 'number' || !Number.isSafeInteger(value))
      throw fileFault('field', { name })
    return value
  }

  bytes(name: string, length: number): Uint8Array {
    const text = this.text(name)
    let bytes: Uint8Array
    try {
      bytes = fromBase64Url(text)
    } catch {
      throw fileFault('field', { name })
    }
    if (bytes.length !== length) throw fileFault('field', { name })
    return bytes
  }

  /** RFC 3339 in UTC with milliseconds, quoted or as a TOML date. */
  time(name: string): number {
    const value = this.take(name)
    const text = value instanceof Date ? value.toISOString() : value
    const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN
    if (!Number.isInteger(ms) || new Date(ms).toISOString() !== text) {
      throw fileFault('field', { name })
    }
    return ms
  }

  /** The value mapped by `read`, as an object to spread; nothing when absent. */
  optional<K extends string, T>(name: string, as: K, read: () => T): { [P in K]?: T } {
    return this.#left.has(name) ? ({ [as]: read() } as { [P in K]: T }) : {}
  }

  end(): void {
    for (const name of this.#left.keys()) {
      throw fileFault('unknown-field', { name: name.slice(0, 32).replace(/[^\w-]/g, '?') })
    }
  }
}

/**
 * Inverse of `encodeNetworkFile`: every field and signature is checked; expiry is not.
 * @throws HearsayError `network-file-invalid` with its reason.
 */
export function decodeNetworkFile(text: string): Network {
  let document: unknown
  try {
    document = parse(text)
  } catch {
    throw fileFault('syntax')
  }
  const table = new Table(document, 'document')
  if (table.integer('format') !== DIRECTORY_VERSION) throw fileFault('version')
  const genesis: Genesis = {
    name: table.text('name'),
    operatorKey: table.bytes('operator', 32),
    createdAt: table.time('created'),
    protocolVersion: table.integer('protocol'),
    pnetKey: table.bytes('pnet_key', 32),
    parameters: readParameters(table.take('parameters')),
  }
  const printedId = table.text('id')
  const signed = table.take('signed')
  // The signature is the last table: a file without it has lost its end.
  if (signed === undefined) throw fileFault('truncated')
  const signedTable = new Table(signed, 'signed')
  const network: Network = {
    ...genesis,
    id: networkIdOf(genesis),
    issuedAt: table.time('issued'),
    ...table.optional('expires', 'expiresAt', () => table.time('expires')),
    ...table.optional('upgrade', 'upgrade', () => readUpgrade(table.take('upgrade'))),
    bootstraps: readBootstraps(table.take('bootstraps')),
    signature: signedTable.bytes('signature', 64),
    ...table.optional('invitation', 'invitation', () => readInvitation(table.take('invitation'))),
  }
  signedTable.end()
  table.end()
  // An edited genesis gives another id; the printed one tells that apart from a wrong signature.
  if (toBase64Url(network.id) !== printedId) throw fileFault('signature', { name: 'id' })
  return checkNetwork(network)
}

function readParameters(value: unknown): Genesis['parameters'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fileFault('truncated')
  }
  return checkParameters(value as Record<string, unknown>)
}

function readBootstraps(value: unknown): string[] {
  if (!Array.isArray(value)) throw fileFault('field', { name: 'bootstraps' })
  return value.map((text: unknown, index) => {
    if (typeof text !== 'string') throw fileFault('bootstrap', { index })
    return text
  })
}

function readUpgrade(value: unknown): { version: number; epoch: number } {
  const table = new Table(value, 'upgrade')
  const upgrade = { version: table.integer('version'), epoch: table.integer('epoch') }
  table.end()
  return upgrade
}

function readInvitation(value: unknown): Invitation {
  const table = new Table(value, 'invitation')
  const seed = table.bytes('seed', 32)
  const grant = {
    id: table.bytes('id', 32),
    issuedAt: table.time('issued'),
    expiresAt: table.time('expires'),
    maxUses: table.integer('max_uses'),
    signature: table.bytes('signature', 64),
  }
  table.end()
  return { seed, grant }
}
