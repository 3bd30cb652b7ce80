/** One store per home: locks, copies, commits over several cores, and the order of disk first, announcement after. */
import { cp, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { FreshetError } from '../../schemas/errors.ts'
import { Store } from '../../store/open-store.ts'
import { openStore, scratchFolder } from '../helpers/channel.ts'
import { memoryPair, until } from '../helpers/connections.ts'
import { codeOf } from '../helpers/refusal.ts'

const BLOCK = Buffer.from('a block')

async function coreOf(store: Store, name: string): Promise<Hypercore> {
  const core = store.cores.get({ name })
  await core.ready()
  return core
}

/** Copies of `cores` in another store that is connected to `store` until the test ends. */
async function copiesOf(t: Assert, store: Store, ...cores: Hypercore[]): Promise<Hypercore[]> {
  const other = await openStore(t, join(await scratchFolder(t), 'store'))
  const copies = cores.map(({ key }) => other.cores.get({ key }))
  await Promise.all(copies.map((copy) => copy.ready()))
  const [near, far] = await memoryPair()
  store.cores.replicate(near)
  other.cores.replicate(far)
  t.teardown(() => (near.destroy(), far.destroy()), { order: -1 })
  await until(() => [...cores, ...copies].every(({ peers }) => peers.length === 1))
  return copies
}

test('store: opened twice → STORE_LOCKED, and the first goes on', async (t) => {
  const directory = join(await scratchFolder(t), 'store')
  const store = await openStore(t, directory)
  t.is(await codeOf(Store.open(directory)), 'STORE_LOCKED')
  const core = await coreOf(store, 'a')
  await core.append([BLOCK])
  t.is(core.length, 1)
})

test('store: a copied folder → STORE_COPIED; the original opens', async (t) => {
  const folder = await scratchFolder(t)
  const store = await Store.open(join(folder, 'store'))
  await store.close()
  await cp(join(folder, 'store'), join(folder, 'copy'), { recursive: true })
  t.is(await codeOf(Store.open(join(folder, 'copy'))), 'STORE_COPIED')
  await openStore(t, join(folder, 'store'))
})

test('store: a folder that cannot be one → IO_ERROR', async (t) => {
  const folder = await scratchFolder(t)
  await writeFile(join(folder, 'store'), 'a file')
  t.is(await codeOf(Store.open(join(folder, 'store'))), 'IO_ERROR')
})

test('store: a sync that fails at opening → the error, and the lock is given back', async (t) => {
  const directory = join(await scratchFolder(t), 'store')
  const whole = Object.getOwnPropertyDescriptor(Store.prototype, 'sync') as PropertyDescriptor
  Store.prototype.sync = () => Promise.reject(new FreshetError('IO_ERROR', 'fsync failed'))
  try {
    t.is(await codeOf(Store.open(directory)), 'IO_ERROR')
  } finally {
    Object.defineProperty(Store.prototype, 'sync', whole)
  }
  await openStore(t, directory)
})

test('commit: two cores → both have their block, also after a restart', async (t) => {
  const directory = join(await scratchFolder(t), 'store')
  const store = await Store.open(directory)
  const [a, b] = [await coreOf(store, 'a'), await coreOf(store, 'b')]
  const result = await store.commit(async (sessionOf) => {
    await (await sessionOf(a)).append([BLOCK])
    await (await sessionOf(b)).append([BLOCK, BLOCK])
    t.alike([a.length, b.length], [0, 0], 'invisible until the end')
    return 'result'
  })
  t.is(result, 'result')
  t.alike([a.length, b.length], [1, 2])
  await store.close()
  const again = await openStore(t, directory)
  t.alike([(await coreOf(again, 'a')).length, (await coreOf(again, 'b')).length], [1, 2])
})

test('commit: a throw after one of two appends → neither happened, and the next commit works', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const [a, b] = [await coreOf(store, 'a'), await coreOf(store, 'b')]
  const failing = store.commit(async (sessionOf) => {
    await (await sessionOf(a)).append([BLOCK])
    await sessionOf(b)
    throw new FreshetError('USAGE', 'on purpose')
  })
  t.is(await codeOf(failing), 'USAGE')
  t.is(store.failure, null, 'nothing was written, so the store is as good as before')
  t.alike([a.length, b.length], [0, 0])
  await store.commit(async (sessionOf) => void (await (await sessionOf(a)).append([Buffer.from('another')])))
  t.is(a.length, 1)
  t.alike(await a.get(0, { wait: false }), Buffer.from('another'))
})

test('commit: several at once on one core → one after the other, no block lost', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const core = await coreOf(store, 'a')
  const bases: number[] = []
  const append = (text: string): Promise<void> =>
    store.commit(async (sessionOf) => {
      bases.push(core.length)
      await (await sessionOf(core)).append([Buffer.from(text)])
    })
  await Promise.all(['one', 'two', 'three'].map(append))
  t.alike(bases, [0, 1, 2])
  const blocks = await Promise.all([0, 1, 2].map((i) => core.get(i, { wait: false })))
  t.alike(blocks.map(String), ['one', 'two', 'three'])
})

test('commit: a connected follower → hears of it after the sync, not before', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const [core, other] = [await coreOf(store, 'a'), await coreOf(store, 'b')]
  const [copy, otherCopy] = (await copiesOf(t, store, core, other)) as [Hypercore, Hypercore]
  const order: string[] = []
  copy.on('append', () => order.push('heard'))
  const sync = store.sync.bind(store)
  let letGo = (): void => {}
  const held = new Promise<void>((resolve) => (letGo = resolve))
  store.sync = async () => {
    order.push('sync begins')
    await held
    await sync()
    order.push('synced')
  }
  const committing = store.commit(async (sessionOf) => void (await (await sessionOf(core)).append([BLOCK])))
  await until(() => order.length > 0)
  await other.append([BLOCK])
  await until(() => otherCopy.length === 1) // on the same connection: what was announced before has arrived by now
  t.alike([core.length, copy.length], [0, 0], 'while the sync is under way nobody sees it, not even this process')
  t.alike(order, ['sync begins'])
  letGo()
  await committing
  await until(() => copy.length === 1)
  t.alike(order, ['sync begins', 'synced', 'heard'])
})

test('commit: the sync fails → nothing is announced or visible, the store is finished, and is whole when opened again', async (t) => {
  const directory = join(await scratchFolder(t), 'store')
  const failures: Error[] = []
  const store = await Store.open(directory, (failure) => failures.push(failure))
  const core = await coreOf(store, 'a')
  await store.commit(async (sessionOf) => void (await (await sessionOf(core)).append([Buffer.from('first')])))
  const [copy] = (await copiesOf(t, store, core)) as [Hypercore]
  await until(() => copy.length === 1)
  store.sync = () => Promise.reject(new FreshetError('IO_ERROR', 'fsync failed', { errno: 'EIO' }))
  const append = (text: string): Promise<string> =>
    codeOf(store.commit(async (sessionOf) => void (await (await sessionOf(core)).append([Buffer.from(text)]))))
  t.is(await append('second'), 'IO_ERROR')
  t.alike([core.length, copy.length], [1, 1])
  t.is(store.failure?.code, 'IO_ERROR')
  t.is(await append('third'), 'IO_ERROR', 'an instance that is not sure of its disk appends no more')
  t.alike([failures.length, core.length, copy.length], [1, 1, 1])
  await store.close()
  const again = await openStore(t, directory)
  const reopened = await coreOf(again, 'a')
  const blocks = []
  for (let i = 0; i < reopened.length; i++) blocks.push(String(await reopened.get(i, { wait: false })))
  t.ok(['first', 'first,second'].includes(blocks.join()), 'the release was written, or was not')
})

test('store: a write-ahead log that is removed during a sync → no error, its content is in a table', async (t) => {
  const directory = join(await scratchFolder(t), 'store')
  const store = await openStore(t, directory)
  // Listed, and not there when it is opened.
  await symlink(join(directory, 'nowhere'), join(directory, 'db', '999999.log'))
  t.is(await codeOf(store.sync()), 'accepted')
  await rm(join(directory, 'db', '999999.log'))
  await symlink('999999.log', join(directory, 'db', '999999.log'))
  t.is(await codeOf(store.sync()), 'IO_ERROR', 'any other fault counts (ELOOP)')
})

test('store: more than the disk has → DISK_FULL before anything is written', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  t.is(await codeOf(store.requireSpace(Number.MAX_SAFE_INTEGER)), 'DISK_FULL')
  t.is(await codeOf(store.requireSpace(1)), 'accepted')
  t.is(store.failure, null)
})
