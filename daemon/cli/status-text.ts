import type { HookStatus, NodeStatus } from '../../src/node/index.ts'
import { formatBytes, formatDuration } from './duration.ts'
import type { Output } from './output.ts'
import { printable } from './table.ts'

/** Share of what may wait in the outbox, from which on it is shown. */
const CROWDED = 0.5

/** The status for a person: what runs, what it protects in numbers, what is wrong and how to mend it. */
export function statusText(status: NodeStatus, out: Output, nowMs: number): string {
  const rows: [string, string][] = [
    ['state', stateLine(status, out, nowMs)],
    ['network', networkLine(status)],
  ]
  if (status.network !== null) rows.push(...mixingLines(status, out))
  const catchUp = catchUpText(status.catchUp)
  if (catchUp !== '') rows.push(['catch-up', catchUp])
  rows.push(
    ['outbox', outboxLine(status)],
    ...status.hooks.map((hook, index): [string, string] => [
      index === 0 ? 'hooks' : '',
      hookLine(hook, out, nowMs),
    ]),
    ['storage', storageLine(status)],
    ['', boxesLine(status)],
    ...(status.network === null ? [] : [['kept', keptLine(status)] as [string, string]]),
    ['peer id', status.peerId],
    ...status.addresses.map((address, index): [string, string] => [
      index === 0 ? 'address' : '',
      address,
    ]),
  )
  const lines = rows.map(([name, text]) => `${out.paint('dim', name.padEnd(9))}${text}\n`)
  return lines.join('') + healthLines(status, out)
}

function stateLine(status: NodeStatus, out: Output, nowMs: number): string {
  const mark = status.state === 'running' ? out.ok : out.warn
  const since = formatDuration(Math.max(0, nowMs - Date.parse(status.since)))
  return `${mark} ${status.state} for ${since}, hearsay ${status.version}`
}

function networkLine(status: NodeStatus): string {
  const { network, link, peers } = status
  if (network === null) return 'none joined: hearsay network join <file or URI>'
  const linked = link === 'linked' ? 'linked' : 'looking for peers'
  return (
    `${printable(network.name)} (${network.words}), ${network.preset}, ` +
    `${network.nodes} nodes, ${peers} connected, ${linked}`
  )
}

function mixingLines(status: NodeStatus, out: Output): [string, string][] {
  const { mixing } = status
  const role = mixing.isMix ? ', this node mixes' : ''
  const form =
    `${mixing.layers} layers, ${mixing.mixes} mixes (at least ${mixing.smallestLayer} a layer), ` +
    `${mixing.poolPerMix} packets per mix${role}`
  const cover = {
    off: `${out.bad} off`,
    on: 'on',
    'cover-only': 'on, and only cover: real messages wait',
  }[mixing.cover]
  const hold =
    mixing.rejoinHoldLeftMs > 0
      ? `, own messages are held for another ${formatDuration(mixing.rejoinHoldLeftMs)}`
      : ''
  const replies =
    mixing.replyRate === null ? '' : `, ${Math.round(mixing.replyRate * 100)} % of replies return`
  const period = mixing.slotMs * mixing.publishEvery
  const pace = period > 0 ? `, one box every ${formatDuration(period)}` : ''
  return [
    ['mixing', `${form}${replies}`],
    ['cover', `${cover}${pace}${hold}`],
    ['privacy', privacyLine(mixing)],
    ...(mixing.statement === '' ? [] : [['', mixing.statement] as [string, string]]),
  ]
}

function privacyLine({
  anonymitySet,
  protectedMessages,
  protectedDays,
}: NodeStatus['mixing']): string {
  if (anonymitySet === null) return 'no number: none was simulated for this network'
  return (
    `anonymity set about ${anonymitySet}, for about ${protectedMessages ?? 0} linked messages ` +
    `(${protectedDays ?? 0} days)`
  )
}

/** `reconciling 1/2`, `fetching 12/40`; empty when nothing is under way. */
export function catchUpText({ phase, done, total }: NodeStatus['catchUp']): string {
  if (phase === 'reconciling') return `hearing from peers what was missed, ${done}/${total}`
  return phase === 'fetching' ? `fetching older boxes, ${done}/${total}` : ''
}

function outboxLine({ outbox }: NodeStatus): string {
  // Tombstones of expired texts take room too, and are no messages.
  const isCrowded = outbox.filled >= CROWDED
  if (outbox.queued === 0 && !isCrowded) return 'empty'
  const age =
    outbox.oldestAgeMs === null ? '' : `, the oldest for ${formatDuration(outbox.oldestAgeMs)}`
  const room = isCrowded ? `, ${Math.round(outbox.filled * 100)} % of what may wait` : ''
  return `${outbox.queued} waiting${age}${room}`
}

/** `✗ notify: 3 behind, failed 2 times in a row (exit 1), tries again in 4 s` */
function hookLine(hook: HookStatus, out: Output, nowMs: number): string {
  const { name, state, behind, failures, nextTryAt, lastError, missed, missedAt } = hook
  const ago = (time: string) => formatDuration(Math.max(0, nowMs - Date.parse(time)))
  const lost =
    missed === 0 || missedAt === null ? '' : `, ${missed} missed, the last ${ago(missedAt)} ago`
  if (state === 'off') return `${name}: off, ${behind} events behind${lost}`
  const place = behind === 0 ? 'has had everything' : `${behind} events behind`
  const trouble =
    failures === 0
      ? ''
      : `, failed ${failures === 1 ? 'once' : `${failures} times in a row`} (${lastError ?? 'unknown'})`
  const next =
    nextTryAt === null
      ? ''
      : `, tries again in ${formatDuration(Math.max(0, Date.parse(nextTryAt) - nowMs))}`
  return `${failures === 0 ? out.ok : out.warn} ${name}: ${place}${trouble}${next}${lost}`
}

function storageLine({ storage }: NodeStatus): string {
  return `${formatBytes(storage.bytes)}, ${formatBytes(storage.freeBytes)} free`
}

/** `340 boxes, 870 kB of 4.3 GB (the disk has room for 52 MB)` */
function boxesLine({ storage }: NodeStatus): string {
  const { boxes, boxBytes, boxQuotaBytes, boxRoomBytes } = storage
  if (boxBytes === undefined || boxQuotaBytes === undefined) return `${boxes} boxes`
  const taken = `${boxes} boxes, about ${formatBytes(boxBytes)} of ${formatBytes(boxQuotaBytes)}`
  if (boxRoomBytes === undefined || boxRoomBytes >= boxQuotaBytes) return taken
  return boxRoomBytes === 0
    ? `${taken} (the disk is nearly full: none are taken)`
    : `${taken} (the disk has room for ${formatBytes(boxRoomBytes)})`
}

/** For how long, at the present rate. */
function keptLine({ storage }: NodeStatus): string {
  const { retentionMs, boxLifetimeMs, eventRetentionMs } = storage
  const events =
    eventRetentionMs === undefined ? '' : `, events for about ${formatDuration(eventRetentionMs)}`
  if (retentionMs === null) return `boxes: not measured yet${events}`
  const isShort = boxLifetimeMs !== undefined && retentionMs < boxLifetimeMs
  const lifetime = isShort
    ? ` of ${formatDuration(boxLifetimeMs)} at the present rate, near ones for longer`
    : ''
  return `boxes for about ${formatDuration(retentionMs)}${lifetime}${events}`
}

function healthLines(status: NodeStatus, out: Output): string {
  return status.health
    .map(({ severity, text, fix }) => {
      const mark = severity === 'error' ? out.bad : severity === 'warning' ? out.warn : '·'
      return `${mark} ${text}\n${fix === '' ? '' : `  fix: ${fix}\n`}`
    })
    .join('')
}
