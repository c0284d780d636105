import type { PrivacyRow } from './protection.ts'

/** Written by `npm run sim -- privacy --write`. */
export const PRIVACY_TABLE: readonly PrivacyRow[] = []
