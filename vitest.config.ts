import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './tests/support/summary-reporter.ts'

/** One project per tier of tests; the first three are `npm test` and use no network and no real time. */
const TIERS: { name: string; include: string[]; exclude?: string[]; seconds: number }[] = [
  { name: 'unit', include: ['tests/unit/**/*.test.ts'], seconds: 10 },
  { name: 'property', include: ['tests/property/**/*.test.ts'], seconds: 30 },
  { name: 'vectors', include: ['tests/vectors/**/*.test.ts'], seconds: 30 },
  {
    name: 'integration',
    include: ['tests/integration/**/*.test.ts'],
    exclude: ['tests/integration/worlds/**'],
    seconds: 90,
  },
  // Whole networks on virtual time, every packet wrapped and relayed: a quarter of an hour of processor time.
  { name: 'worlds', include: ['tests/integration/worlds/**/*.test.ts'], seconds: 240 },
  // Dozens of real nodes in one process: their verdicts need a machine that is otherwise idle.
  { name: 'realtime', include: ['tests/realtime/**/*.test.ts'], seconds: 240 },
  { name: 'sim', include: ['tests/sim/**/*.test.ts'], seconds: 300 },
  { name: 'privacy', include: ['tests/privacy/**/*.test.ts'], seconds: 300 },
  { name: 'short', include: ['tests/e2e/short/**/*.test.ts'], seconds: 180 },
  {
    name: 'e2e',
    include: ['tests/e2e/**/*.test.ts'],
    exclude: ['tests/e2e/short/**'],
    seconds: 600,
  },
]

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', new SummaryReporter()],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reportsDirectory: 'coverage' },
    projects: TIERS.map(({ name, include, exclude = [], seconds }) => ({
      extends: true as const,
      test: {
        name,
        include,
        exclude,
        testTimeout: seconds * 1000,
        hookTimeout: seconds * 1000,
      },
    })),
  },
})
