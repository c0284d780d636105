import { HOOK_EXAMPLE } from './hooks.ts'
import { CONFIG_KEY_NAMES, CONFIG_KEYS, environmentName } from './keys.ts'

/** A config.toml that sets nothing and explains everything. */
export function exampleConfig(): string {
  const lines = [
    '# hearsay configuration. A setting without "#" in front is in force; an unknown key is an error.',
    '# Command line flags win over HEARSAY_… variables, they over this file.',
  ]
  let section = ''
  for (const key of CONFIG_KEY_NAMES) {
    const dot = key.lastIndexOf('.')
    const own = dot === -1 ? '' : key.slice(0, dot)
    lines.push('')
    if (own !== section) {
      section = own
      lines.push(`[${own}]`)
    }
    const { doc, reload, example } = CONFIG_KEYS[key]
    lines.push(...doc.split('\n').map((line) => `# ${line}`))
    lines.push(
      `# Takes effect ${reload === 'live' ? 'at once' : 'at the next start'}. ${environmentName(key)}`,
    )
    lines.push(`# ${key.slice(dot + 1)} = ${example}`)
  }
  return `${lines.join('\n')}\n\n${HOOK_EXAMPLE}\n`
}
