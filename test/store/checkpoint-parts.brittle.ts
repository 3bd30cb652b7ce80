/** Checkpoints too long for one block, and what a follower fetches of them and when. */
import test, { type Assert } from 'brittle'
import { type Chapter, decodeEvent, encodeEvent, expectEvent } from '../../schemas/events.ts'
import type { ChannelEvent } from '../../schemas/events.ts'
import { CHAPTER_RELEASES, CHECKPOINT_PART_BYTES } from '../../schemas/limits.ts'
import { parseDigest } from '../../schemas/units.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { packChapter, readCheckpoints } from '../../store/chapter-blocks.ts'
import { History } from '../../store/history.ts'
import type { PlannedIndex, ReleaseSummary, SnapshotPlan } from '../../store/release-block.ts'
import type { ReleaseLog } from '../../store/release-log.ts'
import { MAIN, sha256, stanza, stanzasOf, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 120_000 }
const BASE = 2 ** 33
const digest = parseDigest(sha256('index').toString('hex')) as DigestHex

/** Runs that do not compress: what is said of each is the hash of its number. */
function index(path: string, runs: number): PlannedIndex {
  const scattered = Array.from({ length: runs }, (_, i) => ({
    block: sha256(`${path} ${i}`).readUInt32LE(),
    first: sha256(`${path} ${i}`).readUInt16LE(4) >> 4,
    count: 1,
  }))
  return { path, byteLength: runs * 2, digest, runs: scattered }
}

const INDEXES = [index('long', 20_000), index('short', 1), index('empty', 0), index('longer', 40_000)]

async function chapterOf(indexes: readonly PlannedIndex[]): Promise<{ blocks: Buffer[]; chapter: Chapter }> {
  const releases = Array.from({ length: CHAPTER_RELEASES }, (_, i): ReleaseSummary => ({
    number: i + 1,
    block: BASE - CHAPTER_RELEASES + i,
    hash: sha256(String(i)),
    publishedAtMs: i,
    releasedAtMs: i,
    validUntilMs: null,
    suite: 'test',
    signedIndexBlock: 1,
  }))
  const release = releases.at(-1) as ReleaseSummary
  const plan: SnapshotPlan = { release, indexes, lateRoots: new Map(), gatherings: [], upstream: null }
  const contents = {
    chapterBlocks: [],
    tail: releases,
    tags: new Map(),
    mirrors: [],
    noteBlock: 0,
    gatherings: [],
    metadata: { maintainersBlock: 0, metadataBlock: 0 },
    withdrawn: new Map(),
    rollouts: new Map(),
  }
  const texts = Object.fromEntries(indexes.map(({ path, runs }) => [path, 'x\n\n'.repeat(runs.length)]))
  const blocks = await packChapter(BASE, contents, plan, stanzasOf(texts))
  return { blocks, chapter: expectEvent('chapter', decodeEvent(blocks.at(-1) as Buffer), 0) }
}

function logOf(blocks: readonly Buffer[]): ReleaseLog {
  const event = async (block: number): Promise<ChannelEvent | null> => decodeEvent(blocks[block - BASE] as Buffer)
  return { event } as unknown as ReleaseLog
}

test('checkpoint parts: long and short index files → cut in parts, and read back as they were', async (t) => {
  const { blocks, chapter } = await chapterOf(INDEXES)
  t.ok(chapter.checkpointBlocks.length > INDEXES.length + 2, `${chapter.checkpointBlocks.length} parts`)
  for (const block of chapter.checkpointBlocks) {
    t.ok((blocks[block - BASE] as Buffer).byteLength < CHECKPOINT_PART_BYTES + 100)
  }
  const plan = await readCheckpoints(logOf(blocks), chapter, CHAPTER_RELEASES, {})
  t.alike(plan.indexes, INDEXES)
})

test('checkpoint parts: one left out, changed, or of another file → EVENT_INVALID', async (t) => {
  const { blocks, chapter } = await chapterOf(INDEXES)
  const read = (bent: Chapter, from: readonly Buffer[] = blocks): Promise<string> =>
    codeOf(readCheckpoints(logOf(from), bent, CHAPTER_RELEASES, {}))
  const { checkpointBlocks } = chapter
  t.is(await read(chapter), 'accepted')
  t.is(await read({ ...chapter, checkpointBlocks: checkpointBlocks.slice(1) }), 'EVENT_INVALID')
  t.is(await read({ ...chapter, checkpointBlocks: checkpointBlocks.toSpliced(1, 1) }), 'EVENT_INVALID')
  t.is(
    await read({ ...chapter, checkpointBlocks: [checkpointBlocks[0] as number, ...checkpointBlocks] }),
    'EVENT_INVALID',
  )
  for (const change of [{ byteLength: 7 }, { digest: Buffer.alloc(32) }, { packedByteLength: 7 }]) {
    const bent = [...blocks]
    const at = (checkpointBlocks[1] as number) - BASE
    const part = expectEvent('checkpoint', decodeEvent(blocks[at] as Buffer), at)
    bent[at] = encodeEvent({ ...part, ...change })
    t.is(await read(chapter, bent), 'EVENT_INVALID', Object.keys(change).join())
  }
})

/** Package `pK` has the number of the last release that K divides as its version. */
function indexOf(number: number): string {
  return Array.from({ length: 9 }, (_, i) => i + 1)
    .filter((k) => number >= k)
    .map((k) => stanza(`p${k}`, String(number - (number % k))))
    .join('')
}

async function published(t: Assert, releases: number): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  for (let number = 1; number <= releases; number++) await channel.publish({ [MAIN]: indexOf(number) })
  return channel
}

/** The checkpoints of `channel` are not on this disk, except those of the first `here` chapters. */
async function withoutCheckpoints(channel: TestChannel, here: number): Promise<Set<number>> {
  const gone = new Set<number>()
  const { chapterBlocks } = await channel.history.contents()
  for (const position of chapterBlocks.slice(here)) {
    const chapter = expectEvent('chapter', await channel.log.event(position), position)
    for (const block of chapter.checkpointBlocks) gone.add(block)
  }
  const get = channel.log.core.get.bind(channel.log.core)
  channel.log.core.get = async (block, options) => (gone.has(block) ? null : get(block, options))
  const has = channel.log.core.has.bind(channel.log.core)
  channel.log.core.has = async (...args) => !gone.has(args[0]) && has(...args)
  return gone
}

test(
  'checkpoint parts: a start without the newest checkpoint → from the one before, or from the first release',
  LONG,
  async (t) => {
    const releases = 2 * CHAPTER_RELEASES + 3
    const channel = await published(t, releases)
    const expected = await channel.history.plan(releases)
    await withoutCheckpoints(channel, 1)
    const reader = new History(channel.log)
    await reader.advance(null, { local: true })
    t.alike(await reader.plan(releases), expected)
    const other = await published(t, CHAPTER_RELEASES + 3)
    await withoutCheckpoints(other, 0)
    const first = new History(other.log)
    await first.advance(null, { local: true })
    t.alike(await first.plan(CHAPTER_RELEASES + 3), await other.history.plan(CHAPTER_RELEASES + 3))
  },
)

test(
  'checkpoint parts: a start without the newest two checkpoints → NO_PEERS from this disk alone',
  LONG,
  async (t) => {
    const channel = await published(t, 2 * CHAPTER_RELEASES + 1)
    await withoutCheckpoints(channel, 0)
    t.is(await codeOf(new History(channel.log).advance(null, { local: true })), 'NO_PEERS')
  },
)

test(
  'checkpoint parts: with the release of the chapter nothing is fetched ahead, then a part with each',
  LONG,
  async (t) => {
    const channel = await published(t, CHAPTER_RELEASES + 1)
    const asked: (readonly number[])[] = []
    channel.log.download = async (blocks) => void asked.push(blocks)
    await channel.history.fetchAhead()
    await channel.publish({ [MAIN]: indexOf(CHAPTER_RELEASES + 2) })
    asked.splice(1)
    await channel.history.fetchAhead()
    t.alike(
      asked.map(({ length }) => length),
      [0, 1],
    )
  },
)
