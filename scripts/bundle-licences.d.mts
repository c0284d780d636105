/** Types of bundle-licences.mjs, which stays plain JavaScript so that an old Node can run it. */
export function licencesOf(modules: readonly string[], apache: string): string
