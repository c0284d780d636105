/** The relay as a process of its own, so that nothing else delays its clock. Ends when stdin does. */
import { Relay, type RelayOptions } from './relay.ts'
import { TraceWriter } from './trace-file.ts'

const [file, options] = process.argv.slice(2)
if (file === undefined || options === undefined)
  throw new Error('relay-main <trace file> <options>')
const trace = new TraceWriter(file)
const relay = new Relay({ trace }, JSON.parse(options) as RelayOptions)
await relay.listen()
process.stdout.write('ready\n')
process.stdin.resume()
process.stdin.on('end', () => {
  relay.close()
  trace.close()
})
