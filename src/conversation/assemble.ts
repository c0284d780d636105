import { AddressBook } from './address-book.ts'
import { Exchange } from './exchange.ts'
import { History } from './history.ts'
import { Inbox } from './inbox.ts'
import { Incoming } from './incoming.ts'
import { JobQueue } from './job-queue.ts'
import { Ledger } from './ledger.ts'
import { Lifecycle } from './lifecycle.ts'
import { Listener } from './listener.ts'
import { Mending } from './mending.ts'
import { Orphans } from './orphans.ts'
import { Outbox } from './outbox.ts'
import { Places } from './places.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { Recoveries } from './recoveries.ts'
import { Removals } from './removals.ts'
import { Renewal } from './renewal.ts'
import { LookUps } from './look-ups.ts'
import { ResetClaims } from './reset-claims.ts'
import { ResetPlaces } from './reset-places.ts'
import { Sender } from './sender.ts'
import { WaitClock } from './wait-clock.ts'
import { Watch } from './watch.ts'

/** Plugs the parts of this module together. `stored` collects the messages that keepers were found to have. */
export function assemble(ports: ConversationPorts, options: ConversationOptions) {
  const { clock, rng, store, jobs: runner, log, linked, boxes } = ports
  // Only tests give it.
  const taps = ports.failpoints && { failpoints: ports.failpoints }
  const stored: number[] = []
  const watch = new Watch()
  const waits = new WaitClock({ clock, store })
  const ledger = new Ledger({ store, rng, waits }, options)
  const history = new History({ store })
  const removals = new Removals({ store })
  const places = new Places({ watch }, options)
  const outbox = new Outbox({ clock, waits, rng, store, ledger, history }, options)
  const orphans = new Orphans({ store, history, outbox })
  const resets = new ResetPlaces({ clock, ledger, watch }, options)
  const shared = { clock, waits, store, ledger, outbox, watch }
  const lifecycle = new Lifecycle({ ...shared, rng, places, resets }, options)
  const recoveries = new Recoveries({ ...shared, rng, places }, options)
  const mending = new Mending({ ...shared, history, lifecycle, recoveries })
  const claims = new ResetClaims({ clock, ledger, watch, recoveries }, options)
  const exchange = new Exchange({ ...shared, jobs: runner, lifecycle, recoveries, claims }, options)
  const renewal = new Renewal({ ...shared, ...taps, jobs: runner }, options)
  const inbox = new Inbox({ clock, history })
  const incoming = new Incoming(
    {
      ...shared,
      ...taps,
      rng,
      log,
      inbox,
      exchange,
      lifecycle,
      places,
      recoveries,
      claims,
      resets,
    },
    options,
  )
  const jobs = new JobQueue({
    waits,
    store,
    log,
    ledger,
    lifecycle,
    exchange,
    recoveries,
    renewal,
    pump: (contact) => incoming.pump(contact),
  })
  const listener = new Listener({ watch, boxes }, options)
  const lookUps = new LookUps(
    {
      clock,
      waits,
      rng,
      ledger,
      places,
      resets,
      onBoxes: (found) => listener.found(found),
      onLongAway: (contact) => incoming.oweAck(contact),
      onStored: (messages) => stored.push(...messages),
    },
    options,
  )
  const sender = new Sender(
    {
      clock,
      waits,
      rng,
      store,
      linked,
      ...taps,
      ledger,
      outbox,
      recoveries,
      onLeft: (address, day, messages) => lookUps.audit(address, day, messages),
    },
    options,
  )
  const book = new AddressBook({ ledger }, options)
  return {
    watch,
    waits,
    ledger,
    history,
    places,
    resets,
    recoveries,
    outbox,
    orphans,
    lifecycle,
    mending,
    removals,
    exchange,
    incoming,
    jobs,
    listener,
    lookUps,
    sender,
    book,
    stored,
  }
}
