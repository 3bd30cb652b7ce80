/** A channel's two cores: made, taken up again after a crash, appended to as one. */
import { join } from 'node:path'
import test from 'brittle'
import { decodeEvent } from '../../schemas/events.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { Store } from '../../store/open-store.ts'
import {
  MAIN,
  NO_ROOTS,
  openStore,
  PUBLISHED_AT_MS,
  scratchFolder,
  sha256,
  stanza,
  TestChannel,
} from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const A1 = stanza('aa', '1')
const nothing = async (): Promise<void> => {}

test('release log: made → the key is kept before the genesis that names it, both once', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const order: string[] = []
  const keep = (name: string) => async () => {
    const log = store.cores.get({ name: 'channel/demo/log' })
    await log.ready()
    order.push(`${name} at ${log.length}`)
  }
  const log = await ReleaseLog.create(store, 'demo', Buffer.from('first'), PUBLISHED_AT_MS, keep('first'))
  const again = await ReleaseLog.create(store, 'demo', Buffer.from('second'), PUBLISHED_AT_MS, keep('second'))
  t.alike(order, ['first at 0'], 'a genesis that is there keeps its key')
  t.is(again.id, log.id)
  const genesis = await again.genesis()
  t.alike(
    [genesis.name, genesis.kind, genesis.createdAtMs, String(genesis.signingKey)],
    ['demo', 'deb', PUBLISHED_AT_MS, 'first'],
  )
  t.is(again.length, 1)
  t.alike(await again.newest(), { releaseBlock: 0, noteBlock: 0 })
})

test('release log: the key cannot be kept → no genesis', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const failing = ReleaseLog.create(store, 'demo', Buffer.from('key'), 0, () => Promise.reject(new Error('disk')))
  await t.exception(failing, /disk/)
  t.is((await ReleaseLog.openOwn(store, 'demo')).length, 0)
})

test('release log: a restart → same id, same head, still writable', async (t) => {
  const directory = join(await scratchFolder(t), 'store')
  const store = await Store.open(directory)
  const log = await ReleaseLog.create(store, 'demo', Buffer.from('key'), 0, nothing)
  const [id, head] = [log.id, log.head()]
  await store.close()
  const again = await ReleaseLog.openOwn(await openStore(t, directory), 'demo')
  t.alike([again.id, again.head(), again.writable], [id, head, true])
})

test('release log: a release → names the head of the index that was written with it', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish({ [MAIN]: A1 })
  const index = channel.store.cores.get({ name: 'channel/test/index' })
  await index.ready()
  const release = await channel.log.event(channel.log.length - 1)
  t.is(release?.type, 'release')
  if (release?.type === 'release') t.alike(release.index, { length: index.length, treeHash: await index.treeHash() })
  t.alike((await channel.log.genesis()).indexKey, index.key)
})

test('release log: piece roots that cannot be had → neither log nor index moves, and the next release works', async (t) => {
  const channel = await TestChannel.create(t)
  const index = channel.store.cores.get({ name: 'channel/test/index' })
  await index.ready()
  const composed = await channel.compose({ [MAIN]: A1 })
  await t.exception(channel.log.append(composed, Promise.reject(new Error('hashing failed'))), /hashing failed/)
  t.alike([channel.log.length, index.length], [1, 0])
  const roots = [{ digest: sha256('x'), piecesRoot: sha256('y') }]
  await channel.publish({ [MAIN]: A1 }, {}, { roots })
  const release = decodeEvent(await channel.log.block(channel.log.length - 1))
  t.alike(release?.type === 'release' && release.roots, roots)
})

test('release log: two releases composed for one length → one of them is PUBLISH_BEHIND, also when both come at once', async (t) => {
  const channel = await TestChannel.create(t)
  const [one, two] = [await channel.compose({ [MAIN]: A1 }), await channel.compose({ [MAIN]: stanza('bb', '1') })]
  const roots = Promise.resolve(NO_ROOTS)
  const codes = await Promise.all([codeOf(channel.log.append(one, roots)), codeOf(channel.log.append(two, roots))])
  t.alike(codes.toSorted(), ['PUBLISH_BEHIND', 'accepted'], 'whichever is composed for the log first')
  t.is(channel.log.length, 1 + one.blocks.length + 1)
  await channel.history.advance()
  t.is(channel.history.newest?.number, 1)
})

test('release log: a follower → reads what is here, appends nothing, says which block did not come', async (t) => {
  const channel = await TestChannel.create(t)
  const composed = await channel.compose({ [MAIN]: A1 })
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const follower = await ReleaseLog.follow(store, channel.log.key)
  t.alike([follower.id, follower.writable, follower.length], [channel.log.id, false, 0])
  t.is(await codeOf(follower.append(composed, Promise.resolve(NO_ROOTS))), 'CHANNEL_READ_ONLY')
  t.is(await codeOf(follower.block(0)), 'EVENT_INVALID', 'beyond the log')
  await channel.log.core.clear(0, 1)
  t.is(await codeOf(channel.log.block(0, { local: true })), 'NO_PEERS', 'not on this disk')
})

test('release log: opened → obeys no truncation, whatever opened its core first', async (t) => {
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const key = sha256('a key')
  const early = store.cores.get({ key })
  await early.ready()
  const log = await ReleaseLog.follow(store, key.toString('hex') as never)
  t.is(early.core.replicator.allowFork, false)
  t.is(log.core.core.replicator.allowFork, false)
})

test('release log: a head that is being written → nobody is told of it before it is on disk', async (t) => {
  const { store, log } = await TestChannel.create(t)
  const before = log.head()
  const seen: unknown[] = []
  const sync = store.sync.bind(store)
  store.sync = async () => {
    await sync()
    seen.push(log.head().length)
  }
  await store.commit(async (sessionOf) => {
    await (await sessionOf(log.core)).append([Buffer.from('a block')])
  })
  t.alike(seen, [before.length], 'still the head before, when the disk has the new one')
  t.is(log.head().length, before.length + 1)
})
