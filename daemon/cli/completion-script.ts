import type { Command } from 'commander'
import { EXIT, ExitError } from '../exit-codes.ts'

/** The words that may follow a command: its subcommands and its long options. */
interface Choice {
  /** The command words before, joined by a space; empty for the program itself. */
  readonly path: string
  readonly words: readonly string[]
}

/** A completion script made from the command table, so that the two cannot differ. @throws ExitError 2. */
export function completionScript(program: Command, shell: string): string {
  const choices = [...walk(program, [])]
  if (shell === 'bash') return bash(choices)
  if (shell === 'zsh')
    return `#compdef hearsay\nautoload -U bashcompinit && bashcompinit\n${bash(choices)}`
  if (shell === 'fish') return fish(program)
  throw new ExitError(EXIT.usage, `no completion for "${shell}"`, 'use bash, zsh or fish')
}

function* walk(command: Command, path: readonly string[]): Iterable<Choice> {
  const options = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []))
  const names = command.commands.map((child) => child.name())
  yield { path: path.join(' '), words: [...names, ...options, '--help'] }
  for (const child of command.commands) yield* walk(child, [...path, child.name()])
}

function bash(choices: readonly Choice[]): string {
  const known = choices.map(({ path }) => `"${path}"`).join('|')
  const cases = choices.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`)
  return `_hearsay() {
  local word path="" next words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${known}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _hearsay hearsay ./hearsay
`
}

function fish(program: Command): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines: string[] = []
  const top = program.commands.map((command) => command.name()).join(' ')
  for (const command of program.commands) {
    lines.push(
      `complete -c hearsay -f -n 'not __fish_seen_subcommand_from ${top}' -a ${command.name()} -d ${quote(command.description())}`,
    )
    for (const child of command.commands) {
      lines.push(
        `complete -c hearsay -f -n '__fish_seen_subcommand_from ${command.name()}' -a ${child.name()} -d ${quote(child.description())}`,
      )
    }
    for (const { long, description, hidden } of command.options) {
      if (!long || hidden) continue
      lines.push(
        `complete -c hearsay -n '__fish_seen_subcommand_from ${command.name()}' -l ${long.slice(2)} -d ${quote(description)}`,
      )
    }
  }
  for (const { long, description } of program.options) {
    if (long) lines.push(`complete -c hearsay -l ${long.slice(2)} -d ${quote(description)}`)
  }
  return `${lines.join('\n')}\n`
}
