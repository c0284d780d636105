import { type Clock, equalBytes, type Failpoints, type Logger, type Rng } from '../base/index.ts'
import { CleanMark } from './clean-mark.ts'
import type { CommitListeners } from './commit-listeners.ts'
import { Committer } from './committer.ts'
import type { Engine } from './engine.ts'
import { chainValue, decodeRecord } from './event-record.ts'
import type { FilePort } from './files.ts'
import { decodeHead, FIRST_HEAD, type Head } from './head.ts'
import { eventKey, headOperation } from './journal-stage.ts'
import { EPOCH_BYTES, encodeFormat, META_KEYS, readEpoch, readFormat } from './meta.ts'
import { markOperation, missingMarks } from './marks.ts'
import { migrate, type Schema } from './migrations.ts'
import type { HomePaths, Parts } from './parts.ts'
import { ValueReader } from './reader.ts'
import type { Reserve } from './reserve.ts'
import { Secrets } from './secrets.ts'
import { Shelf } from './shelf.ts'
import { corrupt } from './storage-error.ts'
import type { Vault } from './vault.ts'
import { Watermark } from './watermark.ts'
import { Witness } from './witness.ts'

export interface AssemblePorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly files: FilePort
  readonly engine: Engine
  readonly reserve: Reserve
  readonly vault: Vault
  readonly listeners: CommitListeners
  readonly failpoints?: Failpoints
}

export interface AssembleOptions {
  readonly paths: HomePaths
  readonly schema: Schema
  /** The home was copied back: begin a new epoch, and do not mind that commits are missing. */
  readonly restored: boolean
}

/**
 * The parts of a store over an open engine: creates or checks the format, recovers the shelf, verifies the end of the
 * journal. Closes everything it opened, the engine too, when it fails.
 */
export async function assemble(ports: AssemblePorts, options: AssembleOptions): Promise<Parts> {
  const opened: { close(): Promise<void> }[] = [ports.engine]
  const closeAll = async () => {
    const results = await Promise.allSettled(opened.map((part) => part.close()))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }
  try {
    return await open(ports, options, opened, closeAll)
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function open(
  ports: AssemblePorts,
  options: AssembleOptions,
  opened: { close(): Promise<void> }[],
  closeAll: () => Promise<void>,
): Promise<Parts> {
  const { engine, files, log, vault, reserve } = ports
  const { paths, schema } = options

  const format = await engine.get(META_KEYS.format)
  if (format === undefined) await refuseForeign(engine)
  else await migrate(ports, schema, readFormat(vault, format, schema.version))

  const isNew = format === undefined
  const watermark = await Watermark.open({ vault, files, log }, paths.watermark)
  opened.push(watermark)
  const mark = await watermark.read()
  // An empty database beside a watermark is one that lost everything: never begin anew over it.
  if (isNew && mark > 0) throw corrupt('the database has lost commits', { missing: mark })
  const shelf = await Shelf.open({ vault, files }, { path: paths.shelf, create: isNew })
  opened.push(shelf)
  if (isNew) {
    await files.syncDirectory(paths.directory)
    await initialise(ports, schema.version)
  }

  const cleanMark = new CleanMark({ files }, paths)
  const witness = new Witness({ engine, vault, files, log }, paths)
  let head = decodeHead(await readMeta(engine, vault, META_KEYS.head))
  const isOverwritten = ((await cleanMark.commits(vault)) ?? 0) > head.commits
  const isCopied = isOverwritten || (await witness.isCopied())
  const isMade = (await engine.get(META_KEYS.restore)) !== undefined
  // A watermark beside a home that was made from a backup is that of the one before.
  if (!options.restored) await refuseLoss(engine, head, isMade ? 0 : mark)
  const restored = options.restored || isCopied || isMade
  if (isCopied) log.warn('this home is a copy or an older state: it begins as a new device')
  if (restored) head = await beginGeneration(ports, head, mark)
  await verifyTail(engine, vault, head)

  const secrets = new Secrets({ vault, shelf })
  await secrets.load(engine, log)
  const epoch = readEpoch(await readMeta(engine, vault, META_KEYS.epoch))
  await witness.renew()
  const committer = new Committer({ ...ports, shelf, secrets, watermark }, { head })
  await cleanMark.take()
  const closeOnce = async () => {
    await closeAll()
    if (committer.poison === undefined) await cleanMark.leave(vault, committer.head.commits)
  }
  let closing: Promise<void> | undefined
  const closeFiles = () => {
    closing ??= closeOnce()
    return closing
  }
  const reader = new ValueReader({ engine, vault, shelf })
  const written = { vault, shelf, secrets, committer, reader, witness, epoch, restored }
  return { files, paths, engine, reserve, closeFiles, ...written }
}

/** A copy too: one that was taken while the store was in use may be of several moments. */
async function refuseLoss(engine: Engine, head: Head, mark: number): Promise<void> {
  const missing = Math.max(0, mark - head.commits) + (await missingMarks(engine, head))
  if (missing > 0) throw corrupt('the database has lost commits', { missing })
}

/** A database that has keys but no format record is not ours, or has lost its beginning. */
async function refuseForeign(engine: Engine): Promise<void> {
  for await (const _ of engine.keys({ limit: 1 })) throw corrupt('the format record is missing')
}

async function initialise({ engine, rng, vault }: AssemblePorts, version: number): Promise<void> {
  await engine.write([
    { type: 'put', key: META_KEYS.format, value: encodeFormat(vault, version) },
    epochOperation(rng, vault),
    headOperation(vault, FIRST_HEAD),
    markOperation(FIRST_HEAD.commits),
  ])
}

/** Commit numbers go on above the watermark, so that it tells losses again. */
async function beginGeneration(
  { engine, rng, vault }: AssemblePorts,
  head: Head,
  mark: number,
): Promise<Head> {
  const commits = Math.max(head.commits, mark) + 1
  const next = { ...head, commits, marksFrom: commits }
  await engine.write([
    epochOperation(rng, vault),
    headOperation(vault, next),
    markOperation(commits),
    { type: 'del', key: META_KEYS.restore },
  ])
  return next
}

function epochOperation(rng: Rng, vault: Vault) {
  const value = vault.seal(META_KEYS.epoch, rng.bytes(EPOCH_BYTES))
  return { type: 'put' as const, key: META_KEYS.epoch, value }
}

async function readMeta(engine: Engine, vault: Vault, key: Uint8Array): Promise<Uint8Array> {
  const envelope = await engine.get(key)
  if (envelope === undefined) throw corrupt('a record of the database is missing')
  return vault.open(key, envelope)
}

/** The last event must be there and be the one that the head names. */
async function verifyTail(engine: Engine, vault: Vault, head: Head): Promise<void> {
  if (head.oldest > head.seq) return
  const key = eventKey(head.seq)
  const record = decodeRecord(head.seq, await readMeta(engine, vault, key))
  if (!equalBytes(chainValue(head.seq, record), head.chain)) {
    throw corrupt('the end of the journal is damaged', { seq: head.seq })
  }
}
