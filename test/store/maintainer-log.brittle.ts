/** The log of one maintainer: what it holds after a restart, what it refuses to read, and a key that is used on two machines. */
import test, { type Assert } from 'brittle'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHANGE_BYTES_MAX } from '../../schemas/limits.ts'
import { encodeMaintainerBlock } from '../../schemas/maintainer-log.ts'
import { keyHex } from '../../schemas/units.ts'
import { pack } from '../../store/brotli.ts'
import { MaintainerLog } from '../../store/maintainer-log.ts'
import { MetadataDraft } from '../../store/metadata-draft.ts'
import { Store } from '../../store/open-store.ts'
import { codeOf } from '../helpers/refusal.ts'
import { joinStores, replica } from '../helpers/replicas.ts'
import { storedLogOf } from '../helpers/signed-logs.ts'

const CHANNEL = keyHex(Buffer.alloc(32, 9))

async function storeIn(t: Assert): Promise<{ store: Store; reopen: () => Promise<Store> }> {
  const directory = await mkdtemp(join(tmpdir(), 'freshet-maintainer-'))
  let store = await Store.open(directory)
  t.teardown(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  const reopen = async (): Promise<Store> => {
    await store.close()
    store = await Store.open(directory)
    return store
  }
  return { store, reopen }
}

test('maintainer log: heading and changes → there after a restart, under the same key', async (t) => {
  const { store, reopen } = await storeIn(t)
  t.is(await MaintainerLog.reopenOwn(store, CHANNEL), null, 'nobody has asked for one yet')
  const log = await MaintainerLog.openOwn(store, CHANNEL)
  await log.begin(CHANNEL, 'Ada', 5)
  await log.begin(CHANNEL, 'another', 6)
  const draft = await MetadataDraft.create(log.key, [{ key: log.key, name: 'Ada', lastChange: null }])
  for (const value of ['1', '2']) {
    const made = draft.edit([{ path: 'package/bash/pin', value }], 'why', 1_000)
    if (made !== null) await log.append(made.change.seq, made.bytes, made.follows)
  }
  const again = (await MaintainerLog.reopenOwn(await reopen(), CHANNEL)) as MaintainerLog
  t.alike([again.key, again.changeCount], [log.key, 2])
  t.alike((await again.heading()).name, 'Ada')
  const { change, follows } = await again.change(2)
  t.alike([change.actor, change.seq, change.ops[0]?.value, change.message], [log.key, 2, '2', 'why'])
  t.alike(follows, [{ key: log.key, seq: 1 }])
  t.is(await codeOf(again.append(2, Buffer.from('x'), [])), 'STORE_FAILED', 'that number is taken')
})

test('maintainer log: blocks that are too large, unpack to too much, or are of another kind → EVENT_INVALID', async (t) => {
  const { store: theirs, core } = await replica(t, null)
  const bomb = await pack(Buffer.alloc(50 * CHANGE_BYTES_MAX))
  const change = (byteLength: number, compressed: Buffer): Buffer =>
    encodeMaintainerBlock({ type: 'change', follows: [], byteLength, compressed })
  await core.append([
    change(1, await pack(Buffer.from('x'))),
    change(50 * CHANGE_BYTES_MAX, bomb),
    change(CHANGE_BYTES_MAX, bomb),
    change(1, await pack(Buffer.from('x'))),
    Buffer.alloc(2 * CHANGE_BYTES_MAX),
    Buffer.of(77, 1),
  ])
  const { store } = await storeIn(t)
  joinStores(t, theirs, store.cores)
  const log = await MaintainerLog.follow(store, keyHex(core.key))
  if (log.core.length === 0) await once(log.core, 'append')
  t.is(await codeOf(log.heading()), 'EVENT_INVALID')
  for (const seq of [1, 2, 3, 4]) t.is(await codeOf(log.change(seq)), 'EVENT_INVALID', `block ${seq}`)
  t.is(await codeOf(log.change(5)), 'VERSION_UNSUPPORTED')
})

test('maintainer log: its key signs another history → nothing is added, and what was here can still be read', async (t) => {
  const block = encodeMaintainerBlock({
    type: 'heading',
    channel: Buffer.from(CHANNEL, 'hex'),
    name: 'Ada',
    createdAtMs: 5,
  }).toString('latin1')
  const one = await storedLogOf(t)
  const other = await storedLogOf(t)
  await one.core.append([Buffer.from(block, 'latin1'), Buffer.from('one')])
  await other.core.append([Buffer.from(block, 'latin1'), Buffer.from('other'), Buffer.from('more')])
  const { store } = await storeIn(t)
  const log = await MaintainerLog.follow(store, keyHex(one.core.key))
  log.fetch(0, 10)
  joinStores(t, one.store, store.cores)
  await once(log.core, 'append')
  t.is((await log.heading()).name, 'Ada')
  const conflict = once(log.core, 'conflict')
  joinStores(t, other.store, store.cores)
  await conflict
  t.ok(log.contradicts)
  t.is((await log.heading({ local: true })).name, 'Ada')
  t.is(log.changeCount, 1, 'the longer log is not taken')
  await log.close()
})
