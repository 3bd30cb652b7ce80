/** Long histories: any release from a checkpoint near it, whatever was read before, and tables of contents that lie. */
import { readFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { type Chapter, decodeEvent, encodeEvent, expectEvent } from '../../schemas/events.ts'
import { CHAPTER_RELEASES } from '../../schemas/limits.ts'
import { History } from '../../store/history.ts'
import { readRelease } from '../../store/release-block.ts'
import { Snapshot, type SnapshotIndex } from '../../store/snapshot.ts'
import { type Lie, publishLie, publishRollout } from '../helpers/audit.ts'
import { collect, MAIN, PUBLISHED_AT_MS, sha256, stanza, TestChannel } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 120_000 }
/** Two full chapters, and some releases more. */
const RELEASES = 2 * CHAPTER_RELEASES + 5

/** Package `pK` has the number of the last release that K divides as its version. */
function indexOf(number: number): string {
  return Array.from({ length: 12 }, (_, i) => i + 1)
    .filter((k) => number >= k)
    .map((k) => stanza(`p${String(k).padStart(2, '0')}`, String(number - (number % k))))
    .join('')
}

async function published(t: Assert, releases = RELEASES): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  for (let number = 1; number <= releases; number++) await channel.publish({ [MAIN]: indexOf(number) })
  return channel
}

async function textOf(channel: TestChannel, history: History, number: number): Promise<string> {
  const snapshot = await Snapshot.open(channel.log, channel.files, await history.plan(number))
  const text = await readFile((snapshot.indexes[0] as SnapshotIndex).filePath, 'utf8')
  await snapshot.close()
  return text
}

test(
  'chapters: a long history → every release from the log alone, in any order; few blocks are read for one',
  LONG,
  async (t) => {
    const channel = await published(t)
    const { newest } = channel.history
    t.is(newest?.number, RELEASES)
    const reader = new History(channel.log)
    let reads = 0
    const block = channel.log.block.bind(channel.log)
    channel.log.block = (...args) => {
      reads++
      return block(...args)
    }
    await reader.advance()
    t.ok(reads < 3 * CHAPTER_RELEASES, `${reads} blocks for the newest of ${RELEASES} releases`)
    for (const number of [RELEASES, 1, 2, 63, 64, 65, 66, 100, 127, 128, 129, 130, 40]) {
      reads = 0
      const plan = await reader.plan(number)
      t.ok(reads <= CHAPTER_RELEASES + 3, `release ${number}: ${reads} blocks`)
      t.is(plan.release.number, number)
      t.is(await textOf(channel, reader, number), indexOf(number))
    }
    const numbers = (await collect(reader.releases())).map(({ number }) => number)
    t.alike(
      numbers,
      Array.from({ length: RELEASES }, (_, i) => i + 1),
    )
  },
)

test('chapters: WHEN as a time, over all chapters → the release current then', LONG, async (t) => {
  const channel = await published(t)
  const reader = new History(channel.log)
  await reader.advance()
  const at = async (number: number): Promise<number> =>
    (await reader.resolve({ kind: 'time', atMs: PUBLISHED_AT_MS + 1000 * (number - 1) + 500 })).number
  for (const number of [1, 2, 63, 64, 65, 128, 129, RELEASES]) t.is(await at(number), number)
  t.is(await codeOf(at(0)), 'RELEASE_UNKNOWN')
})

test(
  'chapters: a reader who looks in now and then → the same history as one who reads it at the end',
  LONG,
  async (t) => {
    const channel = await TestChannel.create(t)
    const readers = new Map([1, 7, 50, 64, 65, 100, 129].map((every) => [every, new History(channel.log)]))
    for (let number = 1; number <= RELEASES; number++) {
      await channel.publish({ [MAIN]: indexOf(number) })
      for (const [every, reader] of readers) if (number % every === 0) await reader.advance()
    }
    for (const [every, reader] of readers) {
      await reader.advance()
      t.alike(await reader.plan(RELEASES), await channel.history.plan(RELEASES), `every ${every}`)
      t.alike(await collect(reader.releases()), await collect(channel.history.releases()))
    }
  },
)

test(
  'chapters: late roots → those of packages that are still there are known after the chapter too',
  LONG,
  async (t) => {
    const channel = await TestChannel.create(t)
    const [A, B] = [stanza('aa', '1'), stanza('bb', '1')]
    await channel.publish({ [MAIN]: A + B })
    const late = ['aa 1', 'bb 1'].map((content) => ({
      digest: sha256(content),
      piecesRoot: sha256(`root of ${content}`),
    }))
    await channel.publish({ [MAIN]: A + B + stanza('cc', '2') }, {}, { lateRoots: late })
    for (let number = 3; number <= CHAPTER_RELEASES + 2; number++) {
      await channel.publish({ [MAIN]: A + stanza('cc', String(number)) })
    }
    const reader = new History(channel.log)
    await reader.advance()
    const plan = await reader.plan(CHAPTER_RELEASES + 2)
    t.alike([...plan.lateRoots.keys()], [sha256('aa 1').toString('hex')], 'what has left is left out')
    t.alike(await reader.rootOf(plan, sha256('aa 1').toString('hex') as never, 1), sha256('root of aa 1'))
  },
)

test('chapters: tags → known by name, before and after a chapter; each once', LONG, async (t) => {
  const channel = await TestChannel.create(t)
  const tag = async (name: string, number: number): Promise<void> => {
    const { releaseBlock, noteBlock } = await channel.log.newest()
    const note = { type: 'tag', atMs: PUBLISHED_AT_MS, releaseBlock, noteBlock, name, number } as const
    await channel.log.appendNote(channel.log.length, note)
  }
  for (let number = 1; number <= CHAPTER_RELEASES + 2; number++) {
    await channel.publish({ [MAIN]: indexOf(number) })
    if (number === 3) await tag('early', 2)
    if (number === 3) await tag('same-day', 3)
    if (number === CHAPTER_RELEASES + 1) await tag('late', 9)
  }
  await tag('newest', CHAPTER_RELEASES + 2)
  const reader = new History(channel.log)
  await reader.advance()
  const numbers = { early: 2, 'same-day': 3, late: 9, newest: CHAPTER_RELEASES + 2 }
  t.alike(Object.fromEntries(await reader.tags()), numbers)
  for (const [name, number] of Object.entries(numbers)) {
    t.is((await reader.resolve({ kind: 'tag', tag: name })).number, number)
  }
  t.is(await codeOf(reader.resolve({ kind: 'tag', tag: 'none' })), 'RELEASE_UNKNOWN')
  await tag('early', 4)
  t.is(await codeOf(reader.tags()), 'EVENT_INVALID', 'one that is given twice')
})

test('chapters: mirrors → the newest list, before and after a chapter, also where it is empty', LONG, async (t) => {
  const channel = await TestChannel.create(t)
  const name = async (...urls: string[]): Promise<void> => {
    const note = { type: 'mirrors', atMs: PUBLISHED_AT_MS, ...(await channel.log.newest()), urls } as const
    await channel.log.appendNote(channel.log.length, note)
  }
  const read = async (): Promise<readonly string[] | null> => {
    const reader = new History(channel.log)
    await reader.advance()
    return reader.mirrors()
  }
  t.is(await read(), null, 'never named')
  for (let number = 1; number <= CHAPTER_RELEASES + 2; number++) {
    await channel.publish({ [MAIN]: indexOf(number) })
    if (number === 3) await name('http://a', 'http://b')
    if (number === 3) await publishRollout(channel, 3, 2_500)
    if (number === 4) await publishRollout(channel, 4, 5_000)
    if (number === 5) await publishRollout(channel, 4, 10_000)
    if (number === 5) await publishRollout(channel, 3, 2_500, 'breaks')
  }
  t.alike(await read(), ['http://a', 'http://b'], 'as the chapter repeats them')
  const reader = new History(channel.log)
  await reader.advance()
  t.is(await reader.noteCount(), 0, 'all notes are covered')
  const held = { number: 3, share: 2_500, halted: 'breaks' }
  t.alike([...(await reader.rollouts())], [[3, held]], 'what is still partial')
  await name('http://c')
  t.alike(await read(), ['http://c'], 'a newer note')
  await name()
  t.alike(await read(), [])
  t.is(await reader.noteCount(), 2)
})

test(
  'chapters: a log whose chapter has an older version → read as before, and goes on with the newest',
  LONG,
  async (t) => {
    for (const version of [1, 2, 3]) {
      const channel = await published(t, CHAPTER_RELEASES)
      const next = CHAPTER_RELEASES + 1
      const blocks: Lie['blocks'] = (written) => written.map((block) => asVersion(block, version))
      await publishLie(channel, { [MAIN]: indexOf(next) }, { blocks })
      await channel.history.advance()
      const [chapterBlock = 0] = (await channel.history.contents()).chapterBlocks
      t.is((await channel.log.block(chapterBlock))[1], version)
      for (let number = next + 1; number <= RELEASES; number++) await channel.publish({ [MAIN]: indexOf(number) })
      const reader = new History(channel.log)
      await reader.advance()
      for (const number of [1, CHAPTER_RELEASES, next, RELEASES]) {
        t.is(await textOf(channel, reader, number), indexOf(number), `release ${number}`)
      }
      t.alike((await reader.plan(next)).gatherings, [])
      t.is(await reader.mirrors(), null)
      t.alike(await reader.metadataBlocks(), { maintainersBlock: 0, metadataBlock: 0 })
    }
  },
)

/**
 * A chapter as it was written before it had roll-outs (an empty list), before that metadata (two zeros and an empty list), and
 * before that mirrors and gatherings (two empty lists): these are its last bytes now.
 */
function asVersion(block: Buffer, version: number): Buffer {
  const event = decodeEvent(block)
  if (event?.type !== 'chapter') return block
  const bare = { ...event, mirrors: [], gatherings: [], maintainersBlock: 0, metadataBlock: 0 }
  const bytes = encodeEvent({ ...bare, withdrawn: [], rollouts: [] }).subarray(2, [0, -6, -4, -1][version])
  return Buffer.concat([Buffer.of(block[0] as number, version), bytes])
}

test('chapters: a tag that came with a release not read yet → known with it, and no harm before', async (t) => {
  const channel = await TestChannel.create(t)
  const reader = new History(channel.log)
  const tag = async (name: string): Promise<void> => {
    const { releaseBlock, noteBlock } = await channel.log.newest()
    const number = channel.history.newest?.number ?? 0
    const note = { type: 'tag', atMs: PUBLISHED_AT_MS, releaseBlock, noteBlock, name, number } as const
    await channel.log.appendNote(channel.log.length, note)
  }
  await channel.publish({ [MAIN]: stanza('aa', '1') })
  await tag('one')
  await reader.advance()
  await channel.publish({ [MAIN]: stanza('aa', '2') })
  await tag('two')
  t.alike(Object.fromEntries(await reader.tags()), { one: 1 })
  t.is(await codeOf(reader.resolve({ kind: 'tag', tag: 'two' })), 'RELEASE_UNKNOWN')
  await reader.advance()
  t.alike(Object.fromEntries(await reader.tags()), { one: 1, two: 2 })
})

test('chapters: a tag for a release that was not there → EVENT_INVALID', async (t) => {
  const channel = await published(t, 2)
  const note = { type: 'tag', atMs: 1, releaseBlock: 6, noteBlock: 0, name: 'future', number: 3 } as const
  await channel.appendRaw(encodeEvent(note))
  t.is(await codeOf(channel.history.tags()), 'EVENT_INVALID')
})

/** What the chapter of a log of CHAPTER_RELEASES + 1 releases honestly says, bent, under a newest release that names it. */
async function withChapter(t: Assert, bend: (chapter: Chapter) => Chapter): Promise<History> {
  const channel = await published(t, CHAPTER_RELEASES + 1)
  const newest = channel.history.newest as NonNullable<typeof channel.history.newest>
  const { release } = await readRelease(channel.log, newest.block)
  const chapter = expectEvent('chapter', await channel.log.event(release.chapterBlock), release.chapterBlock)
  const base = channel.log.length
  await channel.appendRaw(encodeEvent({ type: 'chapter', ...bend(chapter) }), {
    ...release,
    number: newest.number + 1,
    previous: { block: newest.block, hash: newest.hash },
    publishedAtMs: newest.publishedAtMs + 1,
    indexes: release.indexes.map((index) => ({ ...index, script: [{ op: 'keep', count: 12 }] })),
    chapterBlock: base,
  })
  return new History(channel.log)
}

const LIES: Readonly<Record<string, (chapter: Chapter) => Chapter>> = {
  'a release left out': (chapter) => ({ ...chapter, releases: chapter.releases.slice(1) }),
  'releases in another order': (chapter) => ({ ...chapter, releases: chapter.releases.toReversed() }),
  'another hash for its last release': (chapter) => ({
    ...chapter,
    releases: chapter.releases.map((release, i) =>
      i === CHAPTER_RELEASES - 1 ? { ...release, hash: Buffer.alloc(32) } : release,
    ),
  }),
  'a chapter before it that there is not': (chapter) => ({ ...chapter, earlier: [1] }),
  'itself as a chapter before it': (chapter) => ({ ...chapter, earlier: [2 ** 40] }),
  'checkpoints from the future': (chapter) => ({ ...chapter, checkpointBlocks: [2 ** 40] }),
  'a release block as checkpoint': (chapter) => ({ ...chapter, checkpointBlocks: [3] }),
  'no checkpoint': (chapter) => ({ ...chapter, checkpointBlocks: [] }),
  'a roots block that is none': (chapter) => ({ ...chapter, rootsBlock: 3 }),
}

for (const [what, bend] of Object.entries(LIES)) {
  test(`chapters: a table of contents with ${what} → EVENT_INVALID, nothing is taken`, LONG, async (t) => {
    const history = await withChapter(t, bend)
    t.is(await codeOf(history.advance()), 'EVENT_INVALID')
    t.is(history.newest, null)
  })
}

test('chapters: an honest one in this form → taken, so that the lies above are what is refused', LONG, async (t) => {
  const history = await withChapter(t, (chapter) => chapter)
  await history.advance()
  t.is(history.newest?.number, CHAPTER_RELEASES + 2)
})

test(
  'chapters: another hash for a release in the middle → EVENT_INVALID when that release is read',
  LONG,
  async (t) => {
    const history = await withChapter(t, (chapter) => ({
      ...chapter,
      releases: chapter.releases.map((release, i) => (i === 30 ? { ...release, hash: Buffer.alloc(32) } : release)),
    }))
    await history.advance()
    t.is(await codeOf(history.plan(31)), 'EVENT_INVALID')
    t.is((await history.plan(30)).release.number, 30)
  },
)
