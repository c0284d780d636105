import { describe, expect, it } from 'vitest'
import { completeLock, platformOf, unpinned } from '../../../scripts/complete-lock.mjs'

interface Entry {
  version?: string
  resolved?: string
  integrity?: string
  dev?: boolean
  optionalDependencies?: Record<string, string>
}

function lockWith(packages: Record<string, Entry>): { packages: Record<string, Entry> } {
  return { packages: { '': {}, ...packages } }
}

describe('completing the lock', () => {
  it.each([
    ['@biomejs/cli-linux-x64-musl', { os: ['linux'], cpu: ['x64'], libc: ['musl'] }],
    ['@oxlint/binding-linux-arm-gnueabihf', { os: ['linux'], cpu: ['arm'], libc: ['glibc'] }],
    ['@oxlint/binding-linux-arm64-musl', { os: ['linux'], cpu: ['arm64'], libc: ['musl'] }],
    ['@swc/core-win32-ia32-msvc', { os: ['win32'], cpu: ['ia32'] }],
    ['@oxlint-tsgolint/darwin-arm64', { os: ['darwin'], cpu: ['arm64'] }],
    ['@oxlint/binding-android-arm-eabi', { os: ['android'], cpu: ['arm'] }],
  ])('reads the platform from %s', (name, platform) => {
    expect(platformOf(name)).toEqual(platform)
  })

  it('adds a missing native package as optional, of the same kind as the one that wants it', () => {
    const lock = lockWith({
      'node_modules/tool': {
        version: '1.2.3',
        dev: true,
        optionalDependencies: { '@tool/darwin-x64': '1.2.3' },
      },
    })
    expect(completeLock(lock)).toHaveLength(1)
    expect(lock.packages['node_modules/@tool/darwin-x64']).toEqual({
      version: '1.2.3',
      optional: true,
      os: ['darwin'],
      cpu: ['x64'],
      dev: true,
    })
  })

  it('changes nothing the second time, and keeps entries that are there', () => {
    const lock = lockWith({
      'node_modules/tool': { optionalDependencies: { 'tool-linux-x64': '1.0.0' } },
      'node_modules/tool/node_modules/tool-linux-x64': { version: '1.0.0' },
    })
    expect(completeLock(lock)).toEqual([])
    expect(Object.keys(lock.packages)).toHaveLength(3)
  })

  it('removes registry addresses', () => {
    const lock = lockWith({
      'node_modules/a': { version: '1.0.0', resolved: 'https://registry.example/a.tgz' },
    })
    expect(completeLock(lock)).toHaveLength(1)
    expect(lock.packages['node_modules/a']).toEqual({ version: '1.0.0' })
  })

  it('refuses to invent a package that names no platform or has a loose version', () => {
    const loose = lockWith({ 'node_modules/a': { optionalDependencies: { fsevents: '1.0.0' } } })
    expect(() => completeLock(loose)).toThrow('fsevents@1.0.0')
    const ranged = lockWith({
      'node_modules/a': { optionalDependencies: { 'b-linux-x64': '^1.0.0' } },
    })
    expect(() => completeLock(ranged)).toThrow('b-linux-x64@^1.0.0')
  })

  it('names the packages that no integrity pins, and forgives only the native ones it adds', () => {
    const lock = lockWith({
      'node_modules/pinned': { integrity: 'sha512-x' },
      'node_modules/loose': { version: '1.0.0' },
      'node_modules/tool': {
        integrity: 'sha512-y',
        optionalDependencies: { 'tool-win32-x64': '1.0.0' },
      },
    })
    completeLock(lock)
    expect(unpinned(lock)).toEqual(['node_modules/loose'])
  })
})
