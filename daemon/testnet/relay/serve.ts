import type { Clock } from '../../../src/base/index.ts'
import { relaySource } from '../layout.ts'
import { seededRng } from '../seeded-rng.ts'
import { readState, requireState, type TestnetState } from '../state.ts'
import { readWanted, wantedStamp, writeApplied } from './files.ts'
import { type Owner, Owners } from './owners.ts'
import { Relay, type Route } from './relay.ts'

/** How soon a command's change of the faults is noticed. */
const LOOK_MS = 50

/**
 * Runs the relay of the testnet in `dir` until the signal aborts. It outlives the nodes and takes up the faults that
 * were wanted last. @throws ExitError 7 when there is no testnet.
 */
export async function serveRelay(
  ports: { clock: Clock },
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const state = requireState(dir)
  const owners = new Owners({ running: () => running(readState(dir)) })
  const relay = new Relay(
    {
      clock: ports.clock,
      rng: seededRng(`relay/${state.seed}`),
      ownerOf: (local) => owners.ownerOf(local),
    },
    { routes: routesOf(state), sourceHost: relaySource },
  )
  await relay.listen()
  let applied: string | undefined = 'none yet'
  try {
    while (!signal.aborted) {
      const stamp = wantedStamp(dir)
      if (stamp !== applied) {
        const { revision, links } = readWanted(dir)
        relay.apply(links)
        writeApplied(dir, { revision, pid: process.pid })
        applied = stamp
      }
      await ports.clock.sleep(LOOK_MS, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    relay.close()
  }
}

function running(state: TestnetState | undefined): Owner[] {
  return (state?.nodes ?? []).flatMap(({ index, process: ref }) =>
    ref === undefined ? [] : [{ index, pid: ref.pid }],
  )
}

function routesOf(state: TestnetState): Route[] {
  return state.nodes.flatMap(({ index, address, listen }) =>
    listen === undefined
      ? []
      : [{ node: index, announced: endOf(address), listening: endOf(listen) }],
  )
}

/** The host and port of `/ip4/<host>/tcp/<port>`. */
function endOf(address: string): { host: string; port: number } {
  const [, , host = '', , port] = address.split('/')
  return { host, port: Number(port) }
}
