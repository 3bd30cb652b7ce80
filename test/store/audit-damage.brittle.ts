/** Audits of what a damaged disk, a forger without the key or a sparse copy makes of an honest log. */
import { randomInt } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { chooseReleases } from '../../store/audit/choose-releases.ts'
import { leafOf, MerkleTree } from '../../store/audit/merkle-tree.ts'
import { readRelease } from '../../store/release-block.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { auditOf, damage, failuresOf, flipped, indexesOf, publishTag } from '../helpers/audit.ts'
import { openStore, scratchFolder, TestChannel } from '../helpers/channel.ts'

const FLIPS = 60
const LONG = { timeout: 180_000 }

async function smallChannel(t: Assert): Promise<{ channel: TestChannel; log: Hypercore; lookup: Hypercore }> {
  const channel = await TestChannel.create(t)
  for (const number of [1, 2, 3, 7]) await channel.publish(indexesOf(number))
  await publishTag(channel, 'one', 1)
  return { channel, log: channel.log.core, lookup: await channel.log.indexCore() }
}

test(
  `audit: a byte changed at a random place of a random block, ${FLIPS} times → found each time, and the block named`,
  LONG,
  async (t) => {
    const { channel, log, lookup } = await smallChannel(t)
    t.ok((await auditOf(t, channel)).ok)
    for (let i = 0; i < FLIPS; i++) {
      const core = i % 2 === 0 ? log : lookup
      const block = randomInt(core.length)
      const { byteLength } = (await core.get(block, {})) as Buffer
      const [at, mask] = [randomInt(byteLength), randomInt(1, 256)]
      const mend = damage(core, block, (bytes) => flipped(bytes, at, mask))
      const report = await auditOf(t, channel)
      mend()
      const expected = `${core === log ? 'BLOCK_CHANGED' : 'LOOKUP_BLOCK_CHANGED'} block=${block}`
      if (report.ok || !failuresOf(report).includes(expected)) {
        t.fail(`byte ${at} of ${expected} xor ${mask}: ${failuresOf(report).join(', ')}`)
      }
      if (core === log && failuresOf(report)[0] !== expected)
        t.fail(`${expected} is not the first: ${failuresOf(report)[0]}`)
    }
    t.ok((await auditOf(t, channel)).ok, 'mended')
  },
)

test('audit: a flipped bit in any block of the log and of the look-up index → that block alone', LONG, async (t) => {
  const { channel, log, lookup } = await smallChannel(t)
  for (let block = 0; block < log.length; block++) {
    const mend = damage(log, block, (bytes) => flipped(bytes, bytes.byteLength - 1, 0x10))
    const report = await auditOf(t, channel)
    t.alike(failuresOf(report), [`BLOCK_CHANGED block=${block}`])
    mend()
  }
  for (const block of [0, 1, lookup.length - 1]) {
    const mend = damage(lookup, block, (bytes) => flipped(bytes, bytes.byteLength - 1, 0x10))
    t.alike(failuresOf(await auditOf(t, channel)), [`LOOKUP_BLOCK_CHANGED block=${block}`])
    mend()
  }
})

test('audit: the newest release changed so that it names another look-up index → its block alone is named', async (t) => {
  const { channel, log } = await smallChannel(t)
  const { summary, release } = await readRelease(channel.log, (await channel.log.newest()).releaseBlock)
  const at = ((await log.get(summary.block, {})) as Buffer).indexOf(release.index.treeHash)
  t.ok(at > 0)
  damage(log, summary.block, (bytes) => flipped(bytes, at))
  t.alike(failuresOf(await auditOf(t, channel)), [`BLOCK_CHANGED block=${summary.block}`])
})

test('audit: a block that the disk cannot give → unreadable, and what stands after it was not checked', async (t) => {
  const { channel, log } = await smallChannel(t)
  damage(log, 5, () => {
    throw new Error('block checksum mismatch')
  })
  const report = await auditOf(t, channel)
  t.alike(failuresOf(report), ['BLOCK_UNREADABLE block=5'])
  t.is(report.unchecked[0]?.code, 'CHECK_STOPPED')
  t.is(report.releases, 1, 'the release before it holds')
})

test('audit: another block with the leaf that belongs to it, written into the store → no signature holds from there on', async (t) => {
  const { channel, log } = await smallChannel(t)
  const forged = flipped((await log.get(4, {})) as Buffer, 40)
  const { storage } = log.core.state as unknown as { storage: { write(): StorageWrite } }
  const write = storage.write()
  write.putBlock(4, forged)
  write.putTreeNode({ index: 8, ...leafOf(forged) })
  await write.flush()
  const report = await auditOf(t, channel)
  const codes = report.failures.map(({ code }) => code)
  t.ok(codes.includes('HEAD_UNSIGNED'))
  t.absent(report.ok)
})

interface StorageWrite {
  putBlock(block: number, bytes: Buffer): void
  putTreeNode(node: { index: number; size: number; hash: Buffer }): void
  flush(): Promise<void>
}

test('audit: the signature of the newest head forged → HEAD_UNSIGNED', async (t) => {
  const { channel, log } = await smallChannel(t)
  const state = log.core.state as { signature: Buffer }
  state.signature = flipped(state.signature, 9)
  t.alike(failuresOf(await auditOf(t, channel)), [`HEAD_UNSIGNED block=${log.length - 1}`])
})

test('audit: shorter than, or other than, the head that this node accepted → HEAD_REWRITTEN', async (t) => {
  const { channel } = await smallChannel(t)
  const accepted = channel.log.head()
  t.ok((await auditOf(t, channel, { accepted })).ok)
  for (const other of [{ length: accepted.length + 1 }, { fork: 1 }, { treeHash: flipped(accepted.treeHash, 0) }]) {
    const report = await auditOf(t, channel, { accepted: { ...accepted, ...other } })
    t.is(report.failures[0]?.code, 'HEAD_REWRITTEN')
  }
})

test('audit: on a follower → fetches what is not here; without peers it is incomplete, not false', async (t) => {
  const { channel } = await smallChannel(t)
  const store = await openStore(t, join(await scratchFolder(t), 'store'))
  const log = await ReleaseLog.follow(store, channel.log.key)
  const follower = { log } as TestChannel
  const [here, there] = [store.cores.replicate(true) as Duplex, channel.store.cores.replicate(false) as Duplex]
  here.pipe(there).pipe(here)
  await log.core.update({ wait: true })
  t.is(log.length, channel.log.length)
  t.is(log.core.contiguousLength, 0, 'nothing is here yet')
  const report = await auditOf(t, follower, { waitMs: 20_000 })
  t.alike([failuresOf(report), report.unchecked, report.ok, report.releases], [[], [], true, 4])

  here.destroy()
  await new Promise((resolve) => here.once('close', resolve))
  await log.core.clear(3, 5)
  const sparse = await auditOf(t, follower)
  t.alike([sparse.ok, failuresOf(sparse), sparse.unchecked.map(({ code }) => code)], [false, [], ['BLOCKS_MISSING']])
})

test('merkle tree: any number of blocks → the hash that Hypercore signs', async (t) => {
  const { log } = await smallChannel(t)
  const tree = new MerkleTree()
  for (let length = 1; length <= log.length; length++) {
    tree.append(leafOf((await log.get(length - 1, {})) as Buffer))
    t.alike(tree.hash(), await log.treeHash(length))
  }
})

test('sample: chosen by its seed, within the history → the same again, another for another seed', (t) => {
  const chosen = chooseReleases(5, 500, 20, 'seed')
  t.alike(chosen, chooseReleases(5, 500, 20, 'seed'))
  t.not(chosen.join(), chooseReleases(5, 500, 20, 'other').join())
  t.ok(
    chosen.length === 20 && chosen.every((number, i) => number >= 5 && number <= 500 && number > (chosen[i - 1] ?? 0)),
  )
  t.alike(chooseReleases(1, 3, 9, 'seed'), [1, 2, 3])
})
