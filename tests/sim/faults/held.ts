import { PrivateFields } from './private-fields.ts'

/** Entries of collections by the field that holds them: `Class.#field`, and `.key` or `[]` of what is inside it. */
export type Held = ReadonlyMap<string, number>

const withoutPrivateFields = new WeakSet<object>()

/**
 * Counts the entries of all maps, sets and arrays that can be reached from `root` without passing `borders`. What only
 * a closure holds cannot be seen. The same graph gives the same counts; costs some ten milliseconds for a node.
 */
export function countHeld(root: object, borders: Iterable<object>): Held {
  const fields = new PrivateFields(withoutPrivateFields)
  try {
    const walk = new Walk(fields, borders)
    walk.from(root)
    return walk.held
  } finally {
    fields.close()
  }
}

class Walk {
  readonly held = new Map<string, number>()
  readonly #fields: PrivateFields
  readonly #seen: Set<object>
  /** Objects of classes, whose private fields are asked for together. */
  #made: object[] = []

  constructor(fields: PrivateFields, borders: Iterable<object>) {
    this.#fields = fields
    this.#seen = new Set(borders)
  }

  from(root: object): void {
    this.#visit(root, 'node')
    while (this.#made.length > 0) {
      const made = this.#made
      this.#made = []
      for (const [object, fields] of this.#fields.of(made)) {
        for (const [name, value] of fields) this.#visit(value, `${object.constructor.name}.${name}`)
      }
    }
  }

  #visit(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null || this.#seen.has(value)) return
    this.#seen.add(value)
    if (ArrayBuffer.isView(value)) return
    if (Array.isArray(value)) {
      this.#count(path, value.length)
      for (const each of value) this.#visit(each, `${path}[]`)
    } else if (value instanceof Map) {
      this.#count(path, value.size)
      for (const [key, each] of value) {
        this.#visit(key, `${path}[]`)
        this.#visit(each, `${path}[]`)
      }
    } else if (value instanceof Set) {
      this.#count(path, value.size)
      for (const each of value) this.#visit(each, `${path}[]`)
    } else this.#visitFields(value, path)
  }

  #visitFields(object: object, path: string): void {
    const prototype: unknown = Object.getPrototypeOf(object)
    const isPlain = prototype === Object.prototype || prototype === null
    if (!isPlain) this.#made.push(object)
    const owner = isPlain ? path : object.constructor.name
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      this.#visit(value, `${owner}.${name}`)
    }
  }

  #count(path: string, entries: number): void {
    this.held.set(path, (this.held.get(path) ?? 0) + entries)
  }
}
