/**
 * Checks the import rule (scripts/boundary-rules.ts) over src/, rpc/ and daemon/.
 *
 * Guarantee: exit 0 only when every TypeScript file on disk was seen and none breaks a rule. The
 * count is checked because dependency-cruiser, without a parser that suits the compiler, sees zero
 * modules and reports success.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { BOUNDARY_RULES, LAYERS } from './boundary-rules.ts'

const ROOTS = ['src', 'rpc', 'daemon']

export interface BoundaryReport {
  /** Files of src/, rpc/ and daemon/ that were parsed. */
  readonly modules: number
  readonly dependencies: number
  /** One sentence per broken rule; empty means the tree obeys. */
  readonly violations: readonly string[]
}

function sourceFiles(root: string): string[] {
  return ROOTS.filter((name) => existsSync(join(root, name))).flatMap((name) =>
    readdirSync(join(root, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /(?<!\.d)\.ts$/.test(entry.name))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
}

/** Cruises the tree at `root` (absolute). @throws Error when the parser cannot be trusted. */
export async function checkBoundaries(root: string): Promise<BoundaryReport> {
  const files = sourceFiles(root)
  if (files.length === 0) throw new Error(`no TypeScript files below ${root}`)
  const { output } = await cruise(files, {
    baseDir: root,
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^(tests|scripts)/'] },
    validate: true,
    ruleSet: { forbidden: BOUNDARY_RULES },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts'],
    },
  })
  if (typeof output === 'string') throw new Error('dependency-cruiser answered with text')
  return judge(output, files)
}

function judge(result: ICruiseResult, files: readonly string[]): BoundaryReport {
  const seen = new Map(result.modules.map((module) => [module.source, module]))
  const violations = result.summary.violations.map((violation) => {
    const cycle = violation.cycle?.map((step) => step.name).join(' → ')
    return `${violation.rule.name}: ${violation.from} → ${cycle ?? violation.to}`
  })
  let dependencies = 0
  for (const file of files) {
    if (!LAYERS.flat().some((folder) => file.startsWith(`${folder}/`))) {
      violations.push(`known-folder: ${file} is in no layer of scripts/boundary-rules.ts`)
    }
    const module = seen.get(file)
    if (module === undefined) violations.push(`not-seen: ${file} was not parsed`)
    else dependencies += module.dependencies.length
  }
  return { modules: files.length, dependencies, violations: [...new Set(violations)].sort() }
}

if (import.meta.main) {
  const { modules, dependencies, violations } = await checkBoundaries(
    join(import.meta.dirname, '..'),
  )
  for (const violation of violations) console.error(violation)
  console.log(`${modules} modules, ${dependencies} imports, ${violations.length} violations`)
  // A real tree this size has at least as many imports as files: fewer means a blind parser.
  if (dependencies < modules) console.error('too few imports seen: the parser is not working')
  process.exitCode = violations.length > 0 || dependencies < modules ? 1 : 0
}
