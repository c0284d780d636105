/** Types of bundle-parts.mjs, which stays plain JavaScript so that an old Node can run it. */
export interface Part {
  readonly fileName: string
  readonly code: string
  /** Started by its name. */
  readonly isEntry: boolean
}
export function replaceParts(folder: string, parts: readonly Part[], now: number): void
