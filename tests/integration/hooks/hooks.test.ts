import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { HookConfig } from '../../../daemon/config/index.ts'
import { Hooks } from '../../../daemon/hooks/index.ts'
import { silentLogger, systemClock } from '../../../src/base/index.ts'
import { eventually } from '../../support/e2e.ts'
import { RpcNode } from '../../support/rpc-node.ts'

/** Notes what it got; does what the file `mode` says: exit 0, exit 1, sleep, or call the API first. */
const PROGRAM = `
import { appendFileSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
let text = ''
for await (const chunk of process.stdin) text += chunk
const { seq } = JSON.parse(text)
const note = (mark) => appendFileSync('noted', mark + seq + '\\n')
const mode = readFileSync('mode', 'utf8')
if (mode === 'fail') { note('failed '); process.exit(1) }
if (mode === 'hang') { note('hung '); setInterval(() => {}, 1000); await new Promise(() => {}) }
if (mode === 'call') {
  const socket = connect(process.env.HEARSAY_SOCKET)
  socket.write('{"jsonrpc":"2.0","id":1,"method":"contacts.list","params":{}}\\n')
  for await (const chunk of socket) { if (String(chunk).includes('"result"')) break }
}
note('')
process.exit(0)
`

let node: RpcNode
let hooks: Hooks
let config: HookConfig

async function start(): Promise<void> {
  node = await RpcNode.start()
  writeFileSync(join(node.home, 'program.mjs'), PROGRAM)
  config = {
    name: 'note',
    command: [process.execPath, join(node.home, 'program.mjs')],
    events: ['contact.renamed'],
    timeoutMs: 30_000,
    enabled: true,
  }
  mode('ok')
  await node.client.call('network.create', { name: 'hooks', preset: 'swift' })
  await node.client.call('contacts.invite', { label: 'bob' })
  run()
  await hooks.apply([config])
}

function run(): void {
  hooks = new Hooks(
    { clock: systemClock, log: silentLogger, events: node.node.api.events },
    { env: { HEARSAY_SOCKET: node.socket }, cwd: node.home },
  )
}

afterEach(async () => {
  await hooks.stop()
  await node[Symbol.asyncDispose]()
})

const mode = (text: string) => writeFileSync(join(node.home, 'mode'), text)
const noted = () => {
  const file = join(node.home, 'noted')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}
const until = (what: string, probe: () => boolean | Promise<boolean>) =>
  eventually(what, 30_000, async () => probe())
const status = async () => hooks.status((await node.client.call('db.stats')).headSeq)[0]

let names = 0
/** Makes one event per name and gives their numbers. */
async function rename(count: number): Promise<string[]> {
  const { headSeq } = await node.client.call('db.stats')
  for (let i = 0; i < count; i++) {
    const { items } = await node.client.call('contacts.list')
    names += 1
    const contact = items[0]?.contactId ?? ''
    await node.client.call('contacts.rename', { contact, alias: `bob ${names}` })
  }
  const types = ['contact.renamed']
  const { items } = await node.client.call('events.list', { after: headSeq, types })
  return items.map(({ seq }) => `${seq}`)
}

describe('hooks over a real node', () => {
  it('give each event once and in order, and the program may call the node meanwhile', async () => {
    await start()
    mode('call')
    const made = await rename(5)
    await until('all are noted', () => noted().length === 5)
    expect(noted()).toEqual(made)
    await until('the place moved', async () => (await status())?.cursor === Number(made.at(-1)))
    expect(await status()).toMatchObject({ state: 'idle', behind: 0, failures: 0 })
  })

  it('try again after a failure, and hold back what comes behind it', async () => {
    await start()
    mode('fail')
    const made = await rename(2)
    await until('two failures', async () => ((await status())?.failures ?? 0) >= 2)
    expect(await status()).toMatchObject({ lastError: 'exit 1', behind: 2 })
    mode('ok')
    await until('both are noted', () => noted().length === 4)
    expect(noted()).toEqual([`failed ${made[0]}`, `failed ${made[0]}`, ...made])
  })

  it('end a program at its timeout and give the event again', async () => {
    await start()
    await hooks.apply([{ ...config, timeoutMs: 1_000 }])
    mode('hang')
    const [made] = await rename(1)
    await until('it failed', async () => (await status())?.lastError === 'timeout')
    mode('ok')
    await until('it is noted', () => noted().length === 2)
    expect(noted()).toEqual([`hung ${made}`, `${made}`])
  })

  it('lose nothing and repeat nothing that was accepted over restarts of the node', async () => {
    await start()
    const made = await rename(2)
    await until('two are noted', () => noted().length === 2)
    mode('hang')
    made.push(...(await rename(3)))
    await until('the third hangs', () => noted().length === 3)
    await hooks.stop()
    node = await node.restart()
    mode('ok')
    made.push(...(await rename(1)))
    run()
    await hooks.apply([config])
    await until('all are noted', () => noted().length === 7)
    const [first, second, third, ...rest] = made
    expect(noted()).toEqual([first, second, `hung ${third}`, third, ...rest])
  })

  it('forget the place of a hook that is gone, keep that of one that is off or changed', async () => {
    await start()
    const consumers = () => node.node.api.events.consumers.list()
    await hooks.apply([{ ...config, enabled: false }])
    const [made] = await rename(1)
    await hooks.apply([{ ...config, events: ['contact.*'] }])
    await until('it is noted', () => noted().length === 1)
    expect(noted()).toEqual([made])
    await hooks.apply([])
    expect((await consumers()).items).toEqual([])
    await rename(1)
    await hooks.apply([config])
    const after = await rename(1)
    await until('the new one is noted', () => noted().length === 2)
    expect(noted()).toEqual([made, ...after])
  })

  it('keep their places while there is no file, as when it is being replaced', async () => {
    await start()
    const [first] = await rename(1)
    await until('it is noted', () => noted().length === 1)
    await hooks.apply(undefined)
    expect(await status()).toBeUndefined()
    const [meanwhile] = await rename(1)
    await hooks.apply([config])
    await until('what came meanwhile is noted', () => noted().length === 2)
    expect(noted()).toEqual([first, meanwhile])
  })

  it('whose program is gone say so and go on when it is back', async () => {
    await start()
    const file = join(node.home, 'gone')
    await hooks.apply([{ ...config, command: [file] }])
    await rename(1)
    await until('it failed', async () => (await status())?.lastError === 'ENOENT')
    writeFileSync(file, `#!${process.execPath}\n`, { mode: 0o700 })
    await until('it succeeds', async () => (await status())?.state === 'idle')
    expect(await status()).toMatchObject({ behind: 0, failures: 0, lastError: null })
  })
})
