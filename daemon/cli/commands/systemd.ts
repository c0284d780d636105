import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { selfCommand } from '../../background.ts'
import { DAEMON_EXIT, EXIT, ExitError, reasonOf, systemCode } from '../../exit-codes.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../../home.ts'
import type { Registry } from '../registry.ts'
import { MALLOC_SETTINGS } from '../../start-settings.ts'

export function register(program: Command, registry: Registry): void {
  program
    .command('systemd')
    .description('run the daemon under systemd')
    .command('install')
    .description('write a user unit and say how to start it')
    .option('--print', 'print the unit instead')
    .action(registry.action(install))
}

function install(context: Context, options: { print?: boolean }): void {
  const { out, home, io } = context
  const unit = unitText(home.single ? home.root : undefined, io.env)
  if (options.print === true) {
    out.raw(unit)
    return
  }
  const base = io.env.XDG_CONFIG_HOME ?? join(io.env.HOME ?? '', '.config')
  const file = join(base, 'systemd', 'user', 'hearsay.service')
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, unit)
  } catch (error) {
    throw new ExitError(
      EXIT.storage,
      `cannot write ${file}: ${systemCode(error) ?? reasonOf(error)}`,
    )
  }
  out.note(
    `${out.ok} wrote ${file}\n` +
      'start it now and at every login:\n' +
      '  systemctl --user daemon-reload\n' +
      '  systemctl --user enable --now hearsay\n' +
      'keep it running without a login:  loginctl enable-linger',
  )
  out.data({ file }, '')
}

/**
 * A unit for `systemctl --user`. It needs writable and executable memory (V8), so MemoryDenyWriteExecute
 * is absent on purpose; most other sandboxing needs rights that a user manager lacks.
 */
export function unitText(home: string | undefined, env: Environment): string {
  const { file, args } = selfCommand()
  const settings = [
    ...Object.entries(MALLOC_SETTINGS).map(([name, value]) => `${name}=${env[name] ?? value}`),
    ...(home === undefined ? [] : [`HEARSAY_HOME=${home}`]),
  ]
  const { usage, dataCorrupt, permission, config } = DAEMON_EXIT
  return `[Unit]
Description=hearsay private messaging node

[Service]
Type=exec
${settings.map((each) => `Environment=${quoted(each)}\n`).join('')}ExecStart=${[file, ...args, 'run'].map(quoted).join(' ')}
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=${usage} ${dataCorrupt} ${permission} ${config}
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
LimitNOFILE=65536

[Install]
WantedBy=default.target
`
}

/** One word for a unit file: its percent signs and quotes are special. */
function quoted(word: string): string {
  const safe = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')
  return `"${safe.replaceAll('$', '$$$$')}"`
}
