import { type Runtime, Session } from 'node:inspector'

type Fields = readonly (readonly [name: string, value: unknown])[]

/** What the debugger and we hand each other: values go in and out by this object alone. */
interface Exchange {
  objects: readonly object[]
  values: readonly unknown[]
}

const NAME = 'hearsayPrivateFields'
const GROUP = 'private fields'

/** Reads private fields as a debugger does: nothing in the language shows them from outside. One at a time. */
export class PrivateFields {
  readonly #session = new Session()
  readonly #exchange: Exchange = { objects: [], values: [] }
  /** Prototypes whose objects have none: asking costs a tenth of a millisecond each. */
  readonly #without: WeakSet<object>
  readonly #exchangeId: string

  constructor(without: WeakSet<object>) {
    this.#without = without
    this.#session.connect()
    Reflect.set(globalThis, NAME, this.#exchange)
    try {
      this.#exchangeId = idOf(
        this.#post('Runtime.evaluate', { expression: NAME, objectGroup: GROUP }),
      )
    } finally {
      Reflect.deleteProperty(globalThis, NAME)
    }
  }

  /** Of each of these, those that hold objects. */
  of(objects: readonly object[]): ReadonlyMap<object, Fields> {
    const asked = objects.filter((object) => !this.#without.has(prototypeOf(object)))
    if (asked.length === 0) return new Map()
    this.#exchange.objects = asked
    const names: (readonly [object: object, name: string])[] = []
    const held: Runtime.CallArgument[] = []
    for (const [index, objectId] of this.#idsOfObjects().entries()) {
      const object = asked[index] as object
      const { privateProperties = [] } = this.#propertiesOf(objectId)
      if (privateProperties.length === 0) this.#without.add(prototypeOf(object))
      for (const { name, value } of privateProperties) {
        if (value?.objectId === undefined || value.type !== 'object') continue
        names.push([object, name])
        held.push({ objectId: value.objectId })
      }
    }
    this.#post('Runtime.callFunctionOn', {
      functionDeclaration: 'function (...values) { this.values = values }',
      objectId: this.#exchangeId,
      arguments: held,
    })
    const found = new Map<object, (readonly [string, unknown])[]>()
    for (const [index, [object, name]] of names.entries()) {
      const fields = found.get(object) ?? []
      fields.push([name, this.#exchange.values[index]])
      found.set(object, fields)
    }
    return found
  }

  close(): void {
    this.#session.disconnect()
  }

  #idsOfObjects(): string[] {
    const list = this.#post<Runtime.CallFunctionOnReturnType>('Runtime.callFunctionOn', {
      functionDeclaration: 'function () { return this.objects }',
      objectId: this.#exchangeId,
      objectGroup: GROUP,
    })
    const { result } = this.#propertiesOf(idOf(list))
    return result.flatMap(({ name, value }) =>
      /^\d+$/.test(name) && value?.objectId !== undefined ? value.objectId : [],
    )
  }

  #propertiesOf(objectId: string): Runtime.GetPropertiesReturnType & {
    readonly privateProperties?: readonly Runtime.PropertyDescriptor[]
  } {
    return this.#post('Runtime.getProperties', { objectId, ownProperties: true })
  }

  /** Answers come before `post` returns: the debugger is in this thread. */
  #post<T>(method: string, parameters: object): T {
    let answer: T | undefined
    this.#session.post(method, parameters, (error: Error | null, result?: object) => {
      if (error !== null) throw error
      answer = result as T
    })
    if (answer === undefined) throw new Error(`no answer to ${method}`)
    return answer
  }
}

function prototypeOf(object: object): object {
  return Object.getPrototypeOf(object) as object
}

function idOf({ result }: { readonly result: Runtime.RemoteObject }): string {
  const { objectId } = result
  if (objectId === undefined) throw new Error('the debugger shows no such object')
  return objectId
}
