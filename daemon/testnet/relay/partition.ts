import { EXIT, ExitError } from '../../exit-codes.ts'

/** An ordered pair of nodes: what the first sends to the second. */
export type Direction = readonly [from: number, to: number]

const RANGE = /^(\d+)(?:-(\d+))?$/
const FORMS = 'write 0,1,2|3,4,5 or 0-2|*, halves, isolate <i>, ring, or one-way 0,1>2,3'

/**
 * The directions that a partition cuts among `count` nodes. `0,1|2,3`: groups between which nothing passes; `*`
 * stands for all nodes that are not named, and every node must be in one group. `halves`: the lower half and the
 * upper one. `isolate <i>`: one node alone. `ring`: each node reaches the two beside it only. `one-way 0,1>2,3`:
 * what the first send does not reach the second. @throws ExitError 2 for anything else.
 */
export function parsePartition(words: readonly string[], count: number): Direction[] {
  const text = words.join(' ')
  const [form = '', which] = words
  if (words.length > 2) throw wrong(`"${text}" has too many words`)
  if (which !== undefined) {
    if (form === 'isolate') return between(parseGroups(`${which}|*`, '|', count))
    if (form === 'one-way') return oneWay(which, count)
    throw wrong(`"${text}" is no partition`)
  }
  if (form === 'ring') return ring(count)
  if (form === 'halves') {
    const half = Math.ceil(count / 2)
    return between([allNodes(count).slice(0, half), allNodes(count).slice(half)])
  }
  if (!form.includes('|')) throw wrong(`"${text}" is no partition`)
  const groups = parseGroups(form, '|', count)
  const forgotten = unnamed(groups, count)
  if (forgotten.length > 0) throw wrong(`node ${forgotten.join(', ')} is in no group`)
  return between(groups)
}

/** Nodes named by a list such as `0,2-4`, or all by `*`. @throws ExitError 2. */
export function parseNodes(text: string, count: number): number[] {
  if (text === '*') return allNodes(count)
  const found = text.split(',').flatMap((part) => {
    const [, first, last = first] = RANGE.exec(part) ?? []
    if (first === undefined || Number(first) > Number(last)) throw wrong(`"${part}" is no node`)
    if (Number(last) >= count) {
      throw wrong(`there is no node ${last}: there are 0 to ${count - 1}`)
    }
    return allNodes(Number(last) + 1).slice(Number(first))
  })
  if (new Set(found).size !== found.length) throw wrong(`"${text}" names a node twice`)
  return found
}

/** All ordered pairs of different nodes from `a` to `b`. */
export function directions(a: readonly number[], b: readonly number[]): Direction[] {
  return a.flatMap((from) => b.flatMap((to): Direction[] => (from === to ? [] : [[from, to]])))
}

function parseGroups(text: string, separator: '|' | '>', count: number): number[][] {
  const parts = text.split(separator)
  if (parts.filter((part) => part === '*').length > 1) throw wrong(`"${text}" holds * twice`)
  const named = parts.flatMap((part) => (part === '*' ? [] : [parseNodes(part, count)]))
  const flat = named.flat()
  if (new Set(flat).size !== flat.length) throw wrong(`"${text}" names a node twice`)
  const others = unnamed(named, count)
  const groups = parts.map((part) => (part === '*' ? others : parseNodes(part, count)))
  if (groups.some((group) => group.length === 0)) throw wrong(`"${text}" leaves nothing for *`)
  return groups
}

function oneWay(text: string, count: number): Direction[] {
  const [from, to, ...rest] = parseGroups(text, '>', count)
  if (from === undefined || to === undefined || rest.length > 0) {
    throw wrong(`"${text}" must look like 0,1>2,3`)
  }
  return directions(from, to)
}

function between(groups: readonly (readonly number[])[]): Direction[] {
  return groups.flatMap((a) => groups.flatMap((b) => (a === b ? [] : directions(a, b))))
}

function ring(count: number): Direction[] {
  return directions(allNodes(count), allNodes(count)).filter(([a, b]) => {
    const apart = Math.abs(a - b)
    return apart !== 1 && apart !== count - 1
  })
}

function unnamed(groups: readonly (readonly number[])[], count: number): number[] {
  const named = new Set(groups.flat())
  return allNodes(count).filter((node) => !named.has(node))
}

function allNodes(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

function wrong(what: string): ExitError {
  return new ExitError(EXIT.usage, what, FORMS)
}
