import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  asConfigKey,
  bytesOfSize,
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  exampleConfig,
  loadConfig,
  nearest,
  parseConfig,
  setInText,
} from '../../../daemon/config/index.ts'
import { ExitError } from '../../../daemon/exit-codes.ts'
import { DEFAULT_QUOTA_BYTES } from '../../../src/mailbox/constants.ts'

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-config-'))
  file = join(dir, 'config.toml')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function failure(fn: () => unknown): ExitError {
  try {
    fn()
  } catch (error) {
    if (error instanceof ExitError) return error
    throw error
  }
  throw new Error('did not throw')
}

describe('loadConfig', () => {
  it('gives defaults without a file', () => {
    const config = loadConfig({ file, env: {} })
    expect(config.get('rpc.http')).toBe('')
    expect(config.get('log.level')).toBe('info')
    expect(config.origin('log.level')).toBe('default')
  })

  it('lets flags win over the environment, and it over the file', () => {
    writeFileSync(file, '[log]\nlevel = "error"\n')
    const env = { HEARSAY_LOG_LEVEL: 'warn' }
    expect(loadConfig({ file, env: {} }).get('log.level')).toBe('error')
    expect(loadConfig({ file, env }).get('log.level')).toBe('warn')
    const all = loadConfig({ file, env, flags: { 'log.level': 'debug' } })
    expect(all.get('log.level')).toBe('debug')
    expect(all.origin('log.level')).toBe('flag')
  })

  it('reads lists from the environment', () => {
    const env = { HEARSAY_LISTEN: '/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2/ws' }
    expect(loadConfig({ file, env }).get('listen')).toEqual([
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/127.0.0.1/tcp/2/ws',
    ])
  })

  it.each([
    ['lisen = []', 'listen'],
    ['[rpc]\nhtpp = ""', 'rpc.http'],
    ['[log]\nlvl = "info"', 'log.level'],
    ['anounce = []', 'announce'],
  ])('names the key that %s was meant to be', (text, meant) => {
    writeFileSync(file, `${text}\n`)
    const error = failure(() => loadConfig({ file, env: {} }))
    expect(error.exitCode).toBe(78)
    expect(error.fix).toBe(`did you mean "${meant}"?`)
  })

  it('points at the example when no key is near', () => {
    expect(failure(() => asConfigKey('quantum.flux', 'x')).fix).toContain('config example')
  })

  it.each([
    ['listen = "/ip4/0.0.0.0/tcp/1"', 'must be a list'],
    ['listen = [1]', 'must be a list of strings'],
    ['listen = ["tcp://0.0.0.0:1"]', 'which is not an address'],
    ['listen = ["/ip4/0.0.0.0/tcp/70000"]', 'above 65535'],
    ['reachable = true', 'must be "auto", "yes" or "no"'],
    ['reachable = "perhaps"', 'must be "auto", "yes" or "no"'],
    ['[rpc]\nhttp = "0.0.0.0:7766"', 'loopback'],
    ['[rpc]\nhttp = "127.0.0.1:99999"', 'loopback'],
    ['[rpc]\nallowed_origins = ["*"]', 'not an origin'],
    ['[rpc]\ncookie_mode = "0644"', '0600'],
    ['[log]\nlevel = "chatty"', 'one of error'],
    ['[mailbox]\nquota = 4294967296', 'must be a string'],
    ['[mailbox]\nquota = "4GB"', 'from "64MiB" to "16GiB"'],
    ['[mailbox]\nquota = "0GiB"', 'from "64MiB" to "16GiB"'],
    ['[mailbox]\nquota = "63MiB"', 'from "64MiB" to "16GiB"'],
    ['[mailbox]\nquota = "17GiB"', 'from "64MiB" to "16GiB"'],
    ['log = 3', 'unknown key'],
  ])('refuses %j and says why', (text, why) => {
    writeFileSync(file, `${text}\n`)
    const error = failure(() => loadConfig({ file, env: {} }))
    expect(error.exitCode).toBe(78)
    expect(error.message).toContain(why)
  })

  it('names the line of a TOML error', () => {
    writeFileSync(file, '\n\nlisten = [\n')
    const error = failure(() => loadConfig({ file, env: {} }))
    expect(error.exitCode).toBe(78)
    expect(error.message).toMatch(/line \d/)
  })

  it('names the variable of a bad value from the environment', () => {
    const error = failure(() => loadConfig({ file, env: { HEARSAY_LOG_LEVEL: 'x' } }))
    expect(error.message).toContain('HEARSAY_LOG_LEVEL')
  })
})

describe('the quota of the mailbox', () => {
  it.each([
    ['64MiB', 67_108_864],
    ['1000MiB', 1_048_576_000],
    ['16GiB', 17_179_869_184],
  ])('is %s in bytes', (text, bytes) => {
    writeFileSync(file, `[mailbox]\nquota = "${text}"\n`)
    expect(bytesOfSize(loadConfig({ file, env: {} }).get('mailbox.quota'))).toBe(bytes)
    const env = { HEARSAY_MAILBOX_QUOTA: text }
    expect(loadConfig({ file: join(dir, 'none'), env }).get('mailbox.quota')).toBe(text)
  })

  it('is that of the mailbox itself where nothing is set', () => {
    const config = loadConfig({ file, env: {} })
    expect(bytesOfSize(config.get('mailbox.quota'))).toBe(DEFAULT_QUOTA_BYTES)
  })
})

describe('exampleConfig', () => {
  it('sets nothing', () => {
    expect(parseConfig(exampleConfig(), 'example').size).toBe(0)
  })

  it('is valid with every example switched on, and explains every key', () => {
    const on = exampleConfig().replaceAll(/^# (\[\[hook\]\]$|[a-z_]+ = )/gm, '$1')
    expect([...parseConfig(on, 'example').keys()].sort()).toEqual([...CONFIG_KEY_NAMES].sort())
  })
})

describe('setInText', () => {
  it('keeps comments and the other keys', () => {
    const text = '# mine\nlisten = [] # old\n\n[log]\n# loud?\nlevel = "warn"\n'
    const after = setInText(text, 'listen', ['/ip4/127.0.0.1/tcp/9'])
    expect(after).toBe(
      '# mine\nlisten = ["/ip4/127.0.0.1/tcp/9"]\n\n[log]\n# loud?\nlevel = "warn"\n',
    )
  })

  it('replaces a list of several lines, even one whose addresses hold brackets', () => {
    const text =
      'listen = [\n  "/ip4/1.2.3.4/tcp/1", # [\n  "/ip4/1.2.3.4/tcp/2",\n]\nreachable = "yes"\n'
    const after = setInText(text, 'listen', [])
    expect(after).toBe('listen = []\nreachable = "yes"\n')
  })

  it('adds a key to its section, under its commented example', () => {
    const after = setInText(exampleConfig(), 'rpc.http', '127.0.0.1:7766')
    const lines = after.split('\n')
    expect(lines[lines.indexOf('http = "127.0.0.1:7766"') - 1]).toBe('# http = "127.0.0.1:7766"')
  })

  it('adds a section that is missing', () => {
    expect(setInText('listen = []\n', 'log.level', 'debug')).toBe(
      'listen = []\n\n[log]\nlevel = "debug"\n',
    )
  })

  it('puts a key of the top before the first section', () => {
    expect(setInText('[log]\nlevel = "debug"\n', 'reachable', 'no')).toBe(
      'reachable = "no"\n[log]\nlevel = "debug"\n',
    )
  })

  it('changes exactly the one key, for every key and in every order', () => {
    let text = exampleConfig()
    for (const key of CONFIG_KEY_NAMES) {
      const value = CONFIG_KEYS[key].fallback
      text = setInText(text, key, value)
      text = setInText(text, key, value)
      expect(parseConfig(text, 't').get(key)).toEqual(value)
    }
    expect(parseConfig(text, 't').size).toBe(CONFIG_KEY_NAMES.length)
  })

  it('gives an error and no text for a file that is already broken', () => {
    expect(failure(() => setInText('listen = [', 'log.level', 'info')).exitCode).toBe(78)
  })
})

describe('nearest', () => {
  it('finds swapped letters', () => {
    expect(nearest('lsiten', CONFIG_KEY_NAMES)).toBe('listen')
  })
  it('offers nothing for a word that resembles no key', () => {
    expect(nearest('zzzzzzzz', CONFIG_KEY_NAMES)).toBeUndefined()
  })
})
