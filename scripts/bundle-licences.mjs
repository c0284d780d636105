/** What the licences of bundled packages ask for: their texts beside the bundle. Plain JavaScript, as build.mjs. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGE = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/
const RULE = `\n\n${'-'.repeat(80)}\n\n`
const LICENCE = /^(licen[cs]e|copying|notice)/i

/** The folders of the packages that these modules, named by their paths, belong to; our own belong to none. */
function foldersOf(modules) {
  return [...new Set(modules.flatMap((path) => PACKAGE.exec(path)?.[1] ?? []))]
}

/**
 * One text with name, version, licence and the licence files of every package that has one of the modules. `apache`: the
 * text of the Apache License 2.0, which ends it when one is under it: those of libp2p bring no text, others a notice.
 */
export function licencesOf(modules, apache) {
  let end = ''
  const parts = foldersOf(modules).map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    )
    const files = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && LICENCE.test(entry.name))
      .map((entry) => readFileSync(join(folder, entry.name), 'utf8').trim())
    if (/\bApache-2\.0\b/.test(license)) {
      end = `${RULE}${apache.trimEnd()}\n`
      if (files.length === 0) files.push('It comes without a text of its own: see the end.')
    }
    return [`${name} ${version}: ${license ?? 'see below'}`, ...files].join('\n\n')
  })
  return `${parts.sort().join(RULE)}\n${end}`
}
