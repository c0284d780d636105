export type JsonValue = string | number | boolean | null | JsonObject | readonly JsonValue[]

/** An object that survives `JSON.stringify` and `JSON.parse` unchanged. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}
