import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { type ResultOf, RpcFailure } from '../../../rpc/client/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import type { Context } from '../context.ts'
import { formatBytes } from '../duration.ts'
import type { Registry } from '../registry.ts'

type Check = ResultOf<'db.check'>

const SHA256 = /^[0-9a-f]{64}$/

export function register(program: Command, registry: Registry): void {
  const db = program.command('db').description('the database')
  db.command('stats').description('how much is stored').action(registry.action(stats))
  db.command('check')
    .description('read everything and name what is damaged; also while the daemon is down')
    .action(registry.action(check))
  db.command('backup')
    .description('write a snapshot to a new file while the daemon runs')
    .argument('<file>')
    .option('--with-key', 'put the key inside: the file then is as secret as the home')
    .action(registry.action(backup))
  db.command('restore')
    .description('fill a home from a backup; the daemon must be down')
    .argument('<file>')
    .option('--key-file <file>', 'vault.key of the home that the backup came from')
    .option('--replace', 'move a database that is there aside')
    .option('--sha256 <hex>', 'refuse any other file than the one that the backup named so')
    .action(registry.action(restore))
  db.command('renew')
    .description('begin as a new device at the next start: for a home that is a copy')
    .action(registry.action(renew))
}

async function stats(context: Context): Promise<void> {
  const result = await context.call('db.stats')
  const damaged = result.damagedSecrets === 0 ? '' : `, ${result.damagedSecrets} damaged`
  context.out.data(
    result,
    `size      ${formatBytes(result.bytes)}, ${formatBytes(result.freeBytes)} free\n` +
      `reserve   ${result.reserve ? 'yes' : 'no: it comes back when there is room'}\n` +
      `boxes     ${result.boxes}\n` +
      `messages  ${result.messages}\n` +
      `secrets   ${result.secrets}${damaged}\n` +
      `events    ${result.oldestSeq} to ${result.headSeq}, epoch ${result.epoch}\n`,
  )
}

async function check(context: Context): Promise<number> {
  const { out } = context
  const result = await context.patiently(
    'reading everything',
    (await isThere(context)) ? context.call('db.check') : offline(context),
  )
  out.data(result, result.ok ? `${out.ok} ${result.values} values, all whole` : damageText(result))
  return result.ok ? EXIT.ok : EXIT.storage
}

/** Whoever names a daemon means that one, and not the home that is here. */
async function isThere(context: Context): Promise<boolean> {
  const { socket, url } = context.options
  return socket !== undefined || url !== undefined || (await context.isRunning())
}

async function offline({ io, home }: Context): Promise<Check> {
  // Imported here: only this command opens a database in the process of the command line.
  const { checkOffline } = await import('../../offline.ts')
  const { values, damaged, journalBrokenAt, damagedTables } = await checkOffline(io, home)
  const buckets = Object.entries(damaged).map(([bucket, count]) => ({ bucket, count }))
  const ok = buckets.length + damagedTables.length === 0 && journalBrokenAt === undefined
  return {
    ok,
    values,
    damaged: buckets,
    journalBrokenAt: journalBrokenAt ?? null,
    damagedTables: [...damagedTables],
  }
}

function damageText({ damaged, journalBrokenAt, damagedTables }: Check): string {
  const lines = [
    ...damagedTables.map((number) => `file      ${String(number).padStart(6, '0')}.ldb is damaged`),
    ...damaged.map(({ bucket, count }) => `${bucket.padEnd(9)} ${count} values do not open`),
    ...(journalBrokenAt === null ? [] : [`events    not whole from ${journalBrokenAt} on`]),
    'restore a backup: hearsay db restore <file> --replace',
  ]
  return `${lines.join('\n')}\n`
}

async function backup(
  context: Context,
  file: string,
  options: { withKey?: boolean },
): Promise<number> {
  const { out } = context
  const withKey = options.withKey === true
  const request = { path: resolve(file), ...(withKey ? { withKey } : {}) }
  const written = context.call('db.backup', request).catch((error: unknown) => {
    throw explained(error, request.path)
  })
  const result = await context.patiently('writing', written)
  const { path, bytes, entries, secrets, seq, sha256, damaged } = result
  out.note(
    `${out.ok} ${formatBytes(bytes)}, ${entries} entries, ${secrets} secrets, up to event ${seq}`,
  )
  out.note(`  sha256 ${sha256}`)
  out.note(`  to see later whether the file is still whole: sha256sum ${path}`)
  out.note(
    withKey
      ? '  this file opens by itself: whoever has it has everything that this home has'
      : `  it opens with the key only: keep a copy of ${context.home.keyFile} in another place`,
  )
  out.note('  what is restored begins as a new device: contacts are told, conversations go on')
  if (damaged > 0) out.alert(`${out.warn} ${damaged} entries are damaged: hearsay db check`)
  out.data(result, path)
  return damaged > 0 ? EXIT.storage : EXIT.ok
}

/** Whose disk is full: that of the place that was asked for. */
function explained(error: unknown, path: string): unknown {
  const isFull = error instanceof RpcFailure && error.kind === 'STORAGE_FULL'
  if (!isFull || error.data['field'] !== 'path') return error
  return new ExitError(
    EXIT.storage,
    `there is no room for the backup in ${dirname(path)}`,
    'make room there or choose another place; the home is as it was',
    error,
  )
}

async function restore(
  context: Context,
  file: string,
  options: { keyFile?: string; replace?: boolean; sha256?: string },
): Promise<void> {
  const { out, home, io } = context
  const sha256 = options.sha256?.toLowerCase()
  if (sha256 !== undefined && !SHA256.test(sha256)) {
    throw new ExitError(EXIT.usage, `"${options.sha256}" is not a SHA-256`, 'it has 64 hex digits')
  }
  await refuseRunning(context)
  const { restoreHome } = await import('../../restore.ts')
  const restored = restoreHome(io, home, {
    file: resolve(file),
    keyFile: options.keyFile === undefined ? undefined : resolve(options.keyFile),
    replace: options.replace === true,
    sha256,
  })
  const result = await context.patiently('restoring', restored)
  const { entries, secrets, seq, movedTo } = result
  out.note(`${out.ok} ${entries} entries, ${secrets} secrets, up to event ${seq}`)
  if (movedTo !== null) out.note(`  what was there before is in ${movedTo}`)
  out.note('  next: hearsay up')
  out.data({ home: home.root, ...result }, '')
}

async function renew(context: Context): Promise<void> {
  const { out, home } = context
  await refuseRunning(context)
  const { renewOffline } = await import('../../offline.ts')
  await renewOffline(home)
  out.note(`${out.ok} the next start begins as a new device: contacts are told`)
  out.data({ home: home.root }, '')
}

async function refuseRunning(context: Context): Promise<void> {
  if (!(await context.isRunning())) return
  throw new ExitError(EXIT.notReady, 'the daemon is running', 'stop it first: hearsay down')
}
