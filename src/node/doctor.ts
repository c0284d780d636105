import type { DoctorCheck, HealthCode, NodeStatus } from './api.ts'

type Finding = Omit<DoctorCheck, 'name'>

/** Checks by name, each with what to do when it is not well. */
const CHECKS: Record<string, (status: NodeStatus) => Finding> = {
  storage: (s) => ({
    ok: s.state !== 'readonly',
    detail:
      s.state === 'readonly' ? 'the store is read-only after a failed write' : 'writes are synced',
    ...(s.state === 'readonly'
      ? { fix: 'free space or repair the disk: the node then goes on by itself' }
      : {}),
  }),
  space: (s) => ({
    ok: s.storage.freeBytes > 256 * 1024 * 1024,
    detail: `${Math.floor(s.storage.freeBytes / 1048576)} MiB free`,
    ...(s.storage.freeBytes > 256 * 1024 * 1024 ? {} : { fix: 'free some disk space' }),
  }),
  network: (s) => ({
    ok: s.network !== null,
    detail: s.network === null ? 'no network joined' : `in network ${s.network.name}`,
    ...(s.network === null ? { fix: 'hearsay network join <file or URI>' } : {}),
  }),
  peers: (s) => ({
    ok: s.peers > 0,
    detail: `${s.peers} peers connected`,
    ...(s.peers > 0 ? {} : { fix: 'check the network and: hearsay network show' }),
  }),
  clock: (s) => byHealth(s, 'CLOCK_SKEW', 'no other node says that it is wrong'),
  gossip: (s) => ({
    ok: s.link === 'linked',
    detail: gossipDetail(s),
    ...(s.link === 'linked'
      ? {}
      : { fix: 'wait a little; then check the peers, and the clocks of the nodes' }),
  }),
  reachable: (s) => byHealth(s, 'UNREACHABLE', 'others can dial this node, or have not tried yet'),
  cover: (s) => ({
    ok: s.mixing.cover !== 'off',
    detail: s.mixing.cover === 'off' ? 'no cover traffic' : `cover traffic ${s.mixing.cover}`,
    ...(s.mixing.cover === 'off'
      ? {
          fix:
            s.network === null
              ? 'join a network'
              : 'it begins when there is a way through the mixes',
        }
      : {}),
  }),
}

/** What the status complains of; `fine` when it does not. */
function byHealth({ health }: NodeStatus, code: HealthCode, fine: string): Finding {
  const entry = health.find((each) => each.code === code)
  return entry === undefined
    ? { ok: true, detail: fine }
    : { ok: false, detail: entry.text, fix: entry.fix }
}

function gossipDetail({ link, peers }: NodeStatus): string {
  if (link === 'linked') return 'boxes can leave'
  return peers === 0
    ? 'no gossip neighbour'
    : 'no gossip neighbour, or no way through the mixes yet'
}

/** Runs the named checks, or all. Unknown names are reported as failed checks. */
export function diagnose(status: NodeStatus, names: readonly string[] | undefined): DoctorCheck[] {
  return (names ?? Object.keys(CHECKS)).map((name) => {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined
    return check === undefined
      ? { name, ok: false, detail: 'there is no such check', fix: Object.keys(CHECKS).join(', ') }
      : { name, ...check(status) }
  })
}
