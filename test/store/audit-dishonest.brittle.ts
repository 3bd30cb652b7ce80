/** Audits of logs that do not hold, as a publisher with the key could make them: each lie is found, and named where it stands. */
import { brotliCompressSync } from 'node:zlib'
import test, { type Assert } from 'brittle'
import type { Run } from '../../schemas/edit-script.ts'
import { decodeEvent, encodeEvent, expectEvent, type ChannelEvent, type Release } from '../../schemas/events.ts'
import { packRuns } from '../../schemas/packed-runs.ts'
import { CHAPTER_RELEASES } from '../../schemas/limits.ts'
import { digestHex } from '../../schemas/units.ts'
import { checkContents } from '../../store/audit/check-contents.ts'
import { Findings } from '../../store/audit/findings.ts'
import { historyAt, type KnownHistory } from '../../store/audit/known-history.ts'
import type { ReleaseUnit } from '../../store/audit/log-units.ts'
import { readRelease } from '../../store/release-block.ts'
import {
  auditOf,
  failuresOf,
  flipped,
  indexesOf,
  type Lie,
  publishLie,
  publishMirrors,
  publishRollout,
  publishTag,
} from '../helpers/audit.ts'
import { ALL, type Indexes, inReleaseOf, MAIN, sha256, stanza, TestChannel } from '../helpers/channel.ts'

const LONG = { timeout: 180_000 }
const [A, A2, B, C] = [stanza('aa', '1'), stanza('aa', '2'), stanza('bb', '1'), stanza('cc', '1')]
const main = (...stanzas: string[]): Indexes => ({ [MAIN]: stanzas.join('') })

/** Two honest releases, and a third with a lie in it. */
async function auditedLie(
  t: Assert,
  indexes: Indexes,
  lie: Lie,
): Promise<{ failures: string[]; block: number; channel: TestChannel }> {
  const channel = await TestChannel.create(t)
  await channel.publish(main(A, B, C))
  await channel.publish(main(A2, B, C))
  const block = await publishLie(channel, indexes, lie)
  const report = await auditOf(t, channel)
  t.absent(report.ok)
  return { failures: failuresOf(report), block, channel }
}

const altered =
  (change: Partial<Release>): NonNullable<Lie['release']> =>
  (release) => ({ ...release, ...change })

test('audit: the helper without a lie → holds', async (t) => {
  const channel = await TestChannel.create(t)
  await channel.publish(main(A, B, C))
  await publishLie(channel, main(A2, B, C), {})
  t.alike(failuresOf(await auditOf(t, channel)), [])
})

test('audit: a re-ordered stanza → the index file, and from which stanza on', async (t) => {
  const [signed, written] = [main(A2, B, C, A), main(A2, C, B, A)]
  const { failures, block } = await auditedLie(t, written, {
    draft: { inRelease: inReleaseOf(signed) },
    release: (release) => ({
      ...release,
      indexes: release.indexes.map((index) => ({ ...index, digest: sha256(signed[MAIN] as string) })),
    }),
  })
  t.alike(failures, [`INDEX_FILE_WRONG block=${block} release=3 path=${MAIN} stanza=1`])
})

test('audit: a script that makes too much, too little, or inserts what is not there → named', async (t) => {
  const script = (change: (index: Release['indexes'][number]) => object): Lie => ({
    release: (release) => ({ ...release, indexes: release.indexes.map((index) => ({ ...index, ...change(index) })) }),
  })
  const short = await auditedLie(
    t,
    main(A2, B),
    script(({ byteLength }) => ({ byteLength: byteLength + 1 })),
  )
  t.is(short.failures[0], `INDEX_FILE_UNSIGNED block=${short.block - 1} release=3 path=${MAIN}`)
  t.is(short.failures[1], `INDEX_FILE_WRONG block=${short.block} release=3 path=${MAIN} stanza=2`)
  const long = await auditedLie(
    t,
    main(A2, B),
    script(({ byteLength }) => ({ byteLength: byteLength - 1 })),
  )
  t.is(long.failures[1], `INDEX_FILE_WRONG block=${long.block} release=3 path=${MAIN} stanza=2`)
  const beyond = await auditedLie(
    t,
    main(A2, B),
    script(() => ({ script: [{ op: 'keep', count: 9 }] })),
  )
  t.alike(beyond.failures, [`SCRIPT_INVALID block=${beyond.block} release=3`])
  const nowhere = await auditedLie(
    t,
    main(A2, B),
    script(() => ({
      script: [
        { op: 'drop', count: 3 },
        { op: 'insert', count: 2, block: 1, first: 7 },
      ],
    })),
  )
  t.is(nowhere.failures[0], `SCRIPT_INVALID block=${nowhere.block} release=3`)
})

test('audit: an InRelease that names another file, or other dates → named', async (t) => {
  const unsigned = await auditedLie(t, main(A2, B), { draft: { inRelease: inReleaseOf(main(A)) } })
  t.alike(unsigned.failures, [`INDEX_FILE_UNSIGNED block=${unsigned.block - 1} release=3 path=${MAIN}`])
  const dated = await auditedLie(t, main(A2, B), { release: altered({ releasedAtMs: 5 }) })
  t.alike(dated.failures, [`IN_RELEASE_INVALID block=${dated.block - 1} release=3`])
  const malformed = await auditedLie(t, main(A2, B), { draft: { inRelease: Buffer.from('Origin: none\n') } })
  t.alike(malformed.failures, [`IN_RELEASE_INVALID block=${malformed.block - 1} release=3`])
})

test('audit: a stale, a missing and a wrong look-up entry → the release, and each entry', async (t) => {
  const lookUps = async (lie: Lie['changes']): Promise<string[]> => {
    const { failures, block } = await auditedLie(
      t,
      main(A2, C, stanza('dd', '1')),
      lie === undefined ? {} : { changes: lie },
    )
    t.is(failures[0], `LOOKUP_HEAD_WRONG block=${block} release=3`)
    return failures.slice(1)
  }
  const pastOfB = Buffer.from('xbb 1 amd64').toString('hex')
  const stale = await lookUps(({ added }) => ({ added, removed: [] }))
  t.is(stale.length, 2, 'it still lives, and it has no past')
  t.ok(stale.includes(`LOOKUP_ENTRY_WRONG release=3 key=${pastOfB}`))
  const missing = await lookUps(({ removed }) => ({ added: [], removed }))
  t.is(missing.length, 2, 'the name and the artifact of what was added')
  const moved = await lookUps(({ added, removed }) => ({
    added: added.map((item) => ({ ...item, ordinal: 9 })),
    removed,
  }))
  t.is(moved.length, 2)
  t.ok([...stale, ...missing, ...moved].every((line) => line.startsWith('LOOKUP_ENTRY_WRONG release=3 key=')))
})

test('audit: a missing release, another one before, time that goes back → the chain is broken there', async (t) => {
  const skipped = await auditedLie(t, main(A2, B), { release: altered({ number: 4 }) })
  t.is(skipped.failures[0], `CHAIN_BROKEN block=${skipped.block} release=4`)
  const other = await auditedLie(t, main(A2, B), {
    release: (release) => ({ ...release, previous: { block: release.previous?.block ?? 0, hash: sha256('other') } }),
  })
  t.alike(other.failures, [`CHAIN_BROKEN block=${other.block} release=3`])
  const back = await auditedLie(t, main(A2, B), { release: altered({ publishedAtMs: 5 }) })
  t.alike(back.failures, [`CHAIN_BROKEN block=${back.block} release=3`])
})

test('audit: a forged signature of the head before a release, another length, fork or tree → named', async (t) => {
  const head = (change: (head: Release['headBefore']) => object): Lie => ({
    release: (release) => ({ ...release, headBefore: { ...release.headBefore, ...change(release.headBefore) } }),
  })
  const lies = [
    head(({ signature }) => ({ signature: flipped(signature, 20) })),
    head(() => ({ signature: Buffer.from('none') })),
    head(({ length }) => ({ length: length - 1 })),
    head(() => ({ fork: 1 })),
    head(({ treeHash }) => ({ treeHash: flipped(treeHash, 3) })),
  ]
  for (const lie of lies) {
    const { failures, block } = await auditedLie(t, main(A2, B), lie)
    t.alike(failures, [`RELEASE_HEAD_WRONG block=${block} release=3`])
  }
})

test('audit: a piece root for a file that is not there, or a second one → named', async (t) => {
  const digest = sha256('bb 1')
  const absent = await auditedLie(t, main(A2, B), {
    release: altered({ roots: [{ digest: sha256('no'), piecesRoot: digest }] }),
  })
  t.alike(absent.failures, [`ROOTS_WRONG block=${absent.block} release=3 digest=${sha256('no').toString('hex')}`])
  const twice = [sha256('x'), sha256('y')].map((piecesRoot) => ({ digest, piecesRoot }))
  const second = await auditedLie(t, main(A2, B), { release: altered({ lateRoots: twice }) })
  t.alike(second.failures, [`ROOTS_WRONG block=${second.block} release=3 digest=${digest.toString('hex')}`])
})

test('audit: blocks that belong to no release, unknown or broken ones, in another order → named', async (t) => {
  const after = async (...blocks: Buffer[]): Promise<string[]> => {
    const channel = await TestChannel.create(t)
    await channel.publish(main(A))
    await channel.appendRaw(...blocks)
    return failuresOf(await auditOf(t, channel))
  }
  const text = Buffer.from(await channelBlock(t, 'stanzas'))
  t.alike(await after(text), ['ORDER_WRONG block=4'])
  t.alike(await after(Buffer.of(99, 1)), ['EVENT_UNKNOWN block=4'])
  t.alike(await after(Buffer.of(7, 1)), ['EVENT_INVALID block=4'], 'an event that every reader must know')
  t.alike(await after(Buffer.of(2, 1, 0)), ['EVENT_INVALID block=4'])
  const swapped = await auditedLie(t, main(A2, B, stanza('ee', '1')), { blocks: (blocks) => [...blocks].reverse() })
  t.is(swapped.failures[0], `ORDER_WRONG block=${swapped.block - 1}`)
})

async function channelBlock(t: Assert, type: ChannelEvent['type']): Promise<Buffer> {
  const channel = await TestChannel.create(t)
  await channel.publish(main(A))
  for (let block = 0; block < channel.log.length; block++) {
    const bytes = await channel.log.block(block)
    if (decodeEvent(bytes)?.type === type) return bytes
  }
  throw new Error(`no ${type}`)
}

test('audit: a tag given twice, for a release that was not there, or that forgets the note before → named', async (t) => {
  const tagged = async (change: {
    name?: string
    number?: number
    noteBlock?: number
    releaseBlock?: number
  }): Promise<string[]> => {
    const channel = await TestChannel.create(t)
    await channel.publish(main(A))
    await publishTag(channel, 'first', 1)
    const note = { type: 'tag' as const, atMs: 2, releaseBlock: 3, noteBlock: 4, name: 'second', number: 1 }
    await channel.appendRaw(encodeEvent({ ...note, ...change }))
    return failuresOf(await auditOf(t, channel))
  }
  t.alike(await tagged({}), [])
  for (const change of [
    { name: 'first' },
    { number: 2 },
    { number: 0 },
    { noteBlock: 0 },
    { releaseBlock: 2 },
    { name: '#1' },
  ]) {
    t.alike(await tagged(change), ['NOTE_WRONG block=5'], JSON.stringify(change))
  }
  const forgotten = await auditedLie(t, main(A2, B), { release: altered({ noteBlock: 2 }) })
  t.alike(forgotten.failures, [`NOTE_WRONG block=${forgotten.block} release=3`])
})

test('audit: mirrors that cannot be used, or stand there twice → named', async (t) => {
  const named = async (...urls: string[]): Promise<string[]> => {
    const channel = await TestChannel.create(t)
    await channel.publish(main(A))
    await publishMirrors(channel, ...urls)
    return failuresOf(await auditOf(t, channel))
  }
  t.alike(await named(), [])
  t.alike(await named('http://a', 'https://b/debian'), [])
  for (const urls of [['http://a', 'http://a'], ['http://a/'], ['file:///srv'], ['http://user:pass@a'], ['']]) {
    t.alike(await named(...urls), ['NOTE_WRONG block=4'], urls.join())
  }
})

/** A log whose next release begins with a chapter, a tag and a late root in it. */
async function fullChapter(t: Assert): Promise<TestChannel> {
  const channel = await TestChannel.create(t)
  for (let number = 1; number <= CHAPTER_RELEASES; number++) {
    const late = { digest: sha256('shared 7'), piecesRoot: sha256('root') }
    await channel.publish(indexesOf(number), {}, { lateRoots: number === CHAPTER_RELEASES ? [late] : [] })
    if (number === 5) await publishTag(channel, 'five', 4)
    if (number === 6) await publishMirrors(channel, 'http://a')
    if (number === 7) await publishRollout(channel, 7, 2_500)
    if (number === 8) await publishRollout(channel, 7, 5_000, 'breaks')
  }
  return channel
}

test('audit: a wrong chapter, checkpoint or list of roots → each is named where it stands', LONG, async (t) => {
  const channel = await fullChapter(t)
  const base = channel.log.length + 2 // copies and their gathering come first
  const lie = (block: Buffer): Buffer => {
    const event = decodeEvent(block)
    if (event?.type === 'chapter') return encodeEvent({ ...event, tags: [] })
    if (event?.type === 'checkpoint' && event.path === ALL) return encodeEvent({ ...event, byteLength: 1 })
    if (event?.type === 'roots')
      return encodeEvent({ ...event, roots: [{ digest: sha256('shared 7'), piecesRoot: sha256('no') }] })
    return block
  }
  await publishLie(channel, indexesOf(65), { blocks: (blocks) => blocks.map(lie) })
  const digest = sha256('shared 7').toString('hex')
  t.alike(failuresOf(await auditOf(t, channel)), [
    `CHECKPOINT_WRONG block=${base + 1} release=64 path=${ALL}`,
    `ROOTS_WRONG block=${base + 3} digest=${digest}`,
    `CHAPTER_WRONG block=${base + 4}`,
  ])
})

test(
  'audit: copies that are not the stanza, or are described wrongly → GATHERING_WRONG at what describes them',
  LONG,
  async (t) => {
    const lies: Readonly<Record<string, (event: ChannelEvent, i: number) => ChannelEvent>> = {
      'another text': (event, i) =>
        event.type === 'stanzas' && i === 0
          ? { ...event, compressed: brotliCompressSync(Buffer.alloc(copyBytes(event), 'x')) }
          : event,
      'another number of copies': (event) => (event.type === 'gathering' ? { ...event, counts: [1] } : event),
      'copies of stanzas that there are not': (event) =>
        event.type === 'gathering'
          ? { ...event, ...packed([{ block: 1, first: 900, count: event.counts[0] as number }]) }
          : event,
      'copies from before the originals': (event) =>
        event.type === 'gathering'
          ? { ...event, ...packed([{ block: 900, first: 0, count: event.counts[0] as number }]) }
          : event,
    }
    for (const [what, lie] of Object.entries(lies)) {
      const channel = await fullChapter(t)
      const base = channel.log.length
      const bend = (block: Buffer, i: number): Buffer => encodeEvent(lie(decodeEvent(block) as ChannelEvent, i))
      await publishLie(channel, indexesOf(65), { blocks: (blocks) => blocks.map(bend) })
      t.alike(failuresOf(await auditOf(t, channel)), [`GATHERING_WRONG block=${base + 1}`], what)
    }
  },
)

function copyBytes({ byteLengths }: Extract<ChannelEvent, { type: 'stanzas' }>): number {
  return byteLengths.reduce((sum, byteLength) => sum + byteLength, 0)
}

function packed(runs: readonly Run[]): { packedByteLength: number; compressed: Buffer } {
  const bytes = packRuns(runs)
  return { packedByteLength: bytes.byteLength, compressed: brotliCompressSync(bytes) }
}

test('audit: what a chapter may say against what stands before it → any difference is named', LONG, async (t) => {
  const channel = await fullChapter(t)
  await channel.publish(indexesOf(65))
  const { log } = channel
  const { release } = await readRelease(log, log.length - 1)
  const block = release.chapterBlock
  const chapter = expectEvent('chapter', await log.event(block), block)
  const unit: ReleaseUnit = {
    kind: 'release',
    base: block - 4,
    gatheringBlock: 0,
    checkpointBlocks: chapter.checkpointBlocks,
    rootsBlock: chapter.rootsBlock,
    chapter: { block, chapter },
    curationBlock: 0,
    signedIndexBlock: release.signedIndexBlock,
    block: log.length - 1,
  }
  const found = async (change: Partial<ReleaseUnit>, before: Partial<KnownHistory> = {}): Promise<string[]> => {
    const findings = new Findings()
    const known = { ...(await historyAt(log, CHAPTER_RELEASES, null)), ...before }
    await checkContents(log, { ...unit, ...change }, known, () => true, findings)
    return findings.faults.map(({ code }) => code)
  }
  const saying = (change: object): Partial<ReleaseUnit> => ({ chapter: { block, chapter: { ...chapter, ...change } } })
  t.alike(await found({}), [])
  t.alike(await found({ chapter: null }), ['CHAPTER_WRONG'], 'none, where one is due')
  const { releases } = chapter
  const other = releases.map((listed, i) => (i === 7 ? { ...listed, publishedAtMs: listed.publishedAtMs + 1 } : listed))
  for (const change of [
    { releases: other },
    { releases: releases.slice(1) },
    { releases: [...releases, releases[0]] },
    { earlier: [3] },
    { tags: [{ name: 'five', number: 5 }] },
    { tags: [...chapter.tags, { name: 'six', number: 5 }] },
    { mirrors: [] },
    { mirrors: ['http://other'] },
    { noteBlock: 0 },
    { rootsBlock: 0 },
    { checkpointBlocks: chapter.checkpointBlocks.slice(1) },
  ]) {
    t.alike(await found(saying(change)), ['CHAPTER_WRONG'], Object.keys(change).join())
  }
  t.alike(await found({}, { tail: [] }), ['CHAPTER_WRONG', 'CHAPTER_WRONG'], 'too early')
  t.alike(await found({}, { lateRoots: new Map([[digestHex(sha256('other')), sha256('root')]]) }), ['ROOTS_WRONG'])
  t.ok((await found({ checkpointBlocks: [...unit.checkpointBlocks].reverse() })).includes('CHECKPOINT_WRONG'))
  t.ok((await found({ checkpointBlocks: [] })).includes('CHECKPOINT_WRONG'))
})
