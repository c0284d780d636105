import { describe, expect, it } from 'vitest'
import { HOOKS_MAX } from '../../../../daemon/config/index.ts'
import { parseHooks } from '../../../../daemon/config/hooks.ts'
import { loadConfig, parseConfig, setInText } from '../../../../daemon/config/index.ts'
import { ExitError } from '../../../../daemon/exit-codes.ts'
import { withFile } from './with-file.ts'

const HOOK = '[[hook]]\nname = "notify"\ncommand = ["/usr/bin/notify", "new message"]\n'

function failure(text: string): ExitError {
  try {
    parseConfig(text, 'config.toml')
  } catch (error) {
    if (error instanceof ExitError) return error
    throw error
  }
  throw new Error('did not throw')
}

describe('hooks in config.toml', () => {
  it('have defaults for all but name and command', () => {
    const { hooks } = withFile(HOOK, (file) => loadConfig({ file, env: {} }))
    expect(hooks).toEqual([
      {
        name: 'notify',
        command: ['/usr/bin/notify', 'new message'],
        events: ['message.received'],
        timeoutMs: 30_000,
        enabled: true,
      },
    ])
  })

  it.each([
    ['timeout = "1s"', { timeoutMs: 1_000 }],
    ['timeout = "1h"', { timeoutMs: 3_600_000 }],
    ['events = ["message.*", "contact.ready"]', { events: ['message.*', 'contact.ready'] }],
    ['enabled = false', { enabled: false }],
  ])('take %s', (line, expected) => {
    const read = () =>
      withFile(`${HOOK}${line}\n`, (file) => loadConfig({ file, env: {} })).hooks?.[0]
    expect(read()).toMatchObject(expected)
  })

  it.each([
    ['comand = ["/bin/x"]', 4, 'did you mean "command"?'],
    ['timeout = "90m"', 4, 'timeout = "30s"'],
    ['timeout = "999ms"', 4, 'timeout = "30s"'],
    ['timeout = "soon"', 4, 'timeout = "30s"'],
    ['events = []', 4, 'message.received'],
    ['events = ["Message Received"]', 4, 'message.received'],
    ['enabled = "yes"', 4, 'quotes'],
  ])('a bad line %s is named, with a fix', (line, number, fix) => {
    const error = failure(`${HOOK}${line}\n`)
    expect(error.exitCode).toBe(78)
    expect(error.message).toContain(`line ${number}: hook 1:`)
    expect(error.fix).toContain(fix)
  })

  it('a program without an absolute path is refused, with the way to find it', () => {
    const error = failure(
      '\n[log]\nlevel = "info"\n[[hook]]\nname = "a"\ncommand = ["notify-send"]\n',
    )
    expect(error.message).toContain('line 6: hook 1: command begins with "notify-send"')
    expect(error.fix).toBe('find it with: command -v notify-send')
  })

  it('a fault of the second section names its own line', () => {
    const second = HOOK.replace('notify"', 'other"').replace('[[hook]]', '# more\n[[ hook ]] # two')
    expect(failure(`${HOOK}${second}timeout = 3\n`).message).toContain('line 8: hook 2: timeout')
    expect(failure(`${HOOK}${HOOK}`).message).toContain(
      'line 5: hook 2: the name "notify" is taken',
    )
    expect(failure(`${HOOK}[[hook]]\ncommand = ["/bin/x"]\n`).message).toContain(
      'line 4: hook 2: name',
    )
  })

  it('one pair of brackets is not enough, and that is said', () => {
    const error = failure(HOOK.replace('[[hook]]', '[hook]'))
    expect(error.message).toContain('line 1')
    expect(error.fix).toContain('[[hook]]')
  })

  it('are limited in number', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => HOOK.replace('notify"', `n${i}"`)).join('')
    expect(parseConfig(many(HOOKS_MAX), 't').size).toBe(0)
    expect(failure(many(HOOKS_MAX + 1)).message).toContain(`more than ${HOOKS_MAX}`)
  })

  it('are left alone when another setting is written', () => {
    const text = setInText(setInText(HOOK, 'log.level', 'debug'), 'reachable', 'no')
    expect(text).toBe(`reachable = "no"\n${HOOK}\n[log]\nlevel = "debug"\n`)
  })

  it('values of other types than TOML tables give an error, not a crash', () => {
    for (const value of [1, 'x', {}, [1], [null], [[]]]) {
      expect(() => parseHooks(value, '', 't')).toThrow(ExitError)
    }
  })
})
