/**
 * The real daemon with ears: what only the node itself knows goes to a file beside its home, for a comparison with
 * what the wire shows. Started like `hearsay run`.
 */
import { processIo } from '../../../daemon/cli/io.ts'
import { resolveHome } from '../../../daemon/home.ts'
import { runDaemon } from '../../../daemon/run.ts'
import { createNet } from '../../../src/net/index.ts'
import { Tap } from './tap.ts'

const at = process.argv.indexOf('--home')
const root = process.argv[at + 1]
if (at < 0 || root === undefined) throw new Error('tapped-daemon needs --home')
const io = processIo()
const stop = new AbortController()
io.onSignal(() => stop.abort())
const tap = new Tap(root)
process.exitCode = await runDaemon(
  {
    io,
    signal: stop.signal,
    taps: {
      net: (ports, options) => tap.listen(createNet(ports, options)),
      onEmission: (emission) => tap.own(emission),
    },
  },
  { home: resolveHome(root, io.env), flags: {}, stopWithStdin: true },
)
tap.close()
process.exit()
