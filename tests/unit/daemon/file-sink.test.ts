import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { DAEMON_EXIT } from '../../../daemon/exit-codes.ts'

const IO = join(import.meta.dirname, '..', '..', '..', 'daemon', 'cli', 'io.ts')
const LINE_BYTES = 100
const ROOM_KIB = 8

it('a line of which a file took a part is not counted as written, and ends the process', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hs-sink-'))
  const file = join(dir, 'out')
  const program = `
    const { processIo } = await import(${JSON.stringify(IO)})
    const { stdout, stderr } = processIo()
    for (let i = 0; i < 1000; i++) {
      stdout.write('x'.repeat(${LINE_BYTES - 1}) + '\\n')
      await stdout.flushed()
      stderr.write('.')
    }`
  try {
    // As a disk that fills up: the file may have 8 KiB, and the write across that end takes what fits.
    const shell = `trap '' XFSZ; ulimit -f ${ROOM_KIB}; exec "$0" --input-type=module -e "$1" > "$2"`
    const { status, stderr } = spawnSync('bash', ['-c', shell, process.execPath, program, file], {
      encoding: 'utf8',
    })
    expect(readFileSync(file).length).toBe(ROOM_KIB * 1024)
    expect([status, stderr]).toEqual([
      DAEMON_EXIT.ioError,
      '.'.repeat(Math.floor((ROOM_KIB * 1024) / LINE_BYTES)),
    ])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
