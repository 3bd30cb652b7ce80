/**
 * What a channel's log says its releases are: which there are, and the runs of each one's index files.
 *
 * Derived from the log alone; nothing here is stored. Whatever the length of the log, a reader needs the newest chapter, the
 * releases after it, and one checkpoint: any other release is at most CHAPTER_RELEASES edit scripts away from a checkpoint.
 * A release that does not hold (wrong number, wrong hash of the one before, a script that does not fit) throws and leaves the
 * history as it was, so the last good release stays current.
 */
import { levelOf, seenFromUpstream } from '../schemas/chain-position.ts'
import type { Chapter, UpstreamRelease } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { CHAPTER_RELEASES, CHAPTERS_KEPT_MAX, ROOTS_RELEASES_MAX, SNAPSHOT_PLANS_MAX } from '../schemas/limits.ts'
import { digestHex } from '../schemas/units.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { Rollouts } from '../schemas/rollout.ts'
import type { When } from '../schemas/when.ts'
import type { Withdrawals } from '../schemas/withdrawal.ts'
import { NOTHING_REPEATED, readChapter, readCheckpoints, readRoots, releaseOfChapter } from './chapter-blocks.ts'
import type { Contents } from './chapter-blocks.ts'
import { readGatherings } from './gather-stanzas.ts'
import { countNotes, findMetadata, readMirrors, readRollouts, readTags, readWithdrawn } from './notes.ts'
import type { MetadataBlocks } from './notes.ts'
import { ReleaseFold } from './release-fold.ts'
import { RecentlyUsed } from './recently-used.ts'
import { checkLink, linkError, readRelease } from './release-block.ts'
import type { ReadRelease, ReleaseSummary, SnapshotPlan } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'
import { requireRelease } from './upstream-release.ts'

/** What is known of the log; replaced as a whole. */
interface State {
  readonly chapterBlocks: readonly number[]
  /** Releases that no chapter has yet, oldest first. */
  readonly tail: readonly ReleaseSummary[]
  /** The newest release. */
  readonly plan: SnapshotPlan | null
}

export class History {
  readonly #log: ReleaseLog
  #state: State = { chapterBlocks: [], tail: [], plan: null }
  /** By position: a block of a log never changes. */
  readonly #chapters = new RecentlyUsed<number, Chapter>(CHAPTERS_KEPT_MAX)
  readonly #plans = new RecentlyUsed<number, SnapshotPlan>(SNAPSHOT_PLANS_MAX)
  readonly #roots = new RecentlyUsed<number, ReadonlyMap<DigestHex, Buffer>>(ROOTS_RELEASES_MAX)
  /** One at a time: an import and a head that arrives may both ask. */
  #advancing: Promise<unknown> = Promise.resolve()

  /** Of a fork: where its releases start from; set once its genesis was read. */
  upstream: History | null = null

  constructor(log: ReleaseLog) {
    this.#log = log
  }

  get newest(): ReleaseSummary | null {
    return this.#state.tail.at(-1) ?? null
  }

  /**
   * Takes up releases until the one at `block` (null: the newest of the log). All of them are taken, or none.
   * @param options.local read this disk only, as after a restart.
   */
  advance(block: number | null = null, options: ReadOptions = {}): Promise<void> {
    const run = this.#advancing.then(() => this.#advance(block, options))
    this.#advancing = run.catch(() => {}) // whoever asked for it sees the error; the next one starts anew
    return run
  }

  async #advance(block: number | null, options: ReadOptions): Promise<void> {
    const known = this.newest
    const target = block ?? (await this.#log.newest(options)).releaseBlock
    if (target <= (known?.block ?? 0)) return
    const newest = await readRelease(this.#log, target, options)
    const chapterBlocks = await this.#chaptersUntil(newest.release.chapterBlock, options)
    const covered = chapterBlocks.length * CHAPTER_RELEASES
    if (newest.summary.number <= covered || newest.summary.number > covered + CHAPTER_RELEASES) {
      throw linkError(target, `release ${newest.summary.number} after ${chapterBlocks.length} chapters`)
    }
    // What the newest chapter covers was read before, or need not be read at all.
    const kept = this.#state.tail.filter(({ number }) => number > covered)
    const before = kept.at(-1) ?? (covered === 0 ? null : await this.#summaryIn(chapterBlocks, covered, options))
    const fresh = await this.#walkBack(newest, before, options)
    if (known !== null && kept.length === 0) await this.#requireContinues(chapterBlocks, known, options)
    const base = kept.length > 0 ? this.#state.plan : await this.#base(chapterBlocks, covered, options)
    const plan = await this.#fold(base, fresh, options)
    const { plan: old } = this.#state
    if (old !== null) this.#plans.set(old.release.number, old) // whoever tells what changed asks for it next
    this.#state = { chapterBlocks, tail: [...kept, ...fresh], plan }
  }

  /** @throws FreshetError NO_RELEASE, RELEASE_UNKNOWN; NO_PEERS where an old block is not here. */
  async resolve(when: When): Promise<ReleaseSummary> {
    const newest = this.newest
    if (newest === null) throw new FreshetError('NO_RELEASE', `channel ${this.#log.id} has no release yet`)
    if (when.kind === 'newest') return newest
    if (when.kind === 'number') return this.summary(when.number)
    const number = when.kind === 'time' ? await this.#numberAt(when.atMs) : ((await this.tags()).get(when.tag) ?? 0)
    if (number > 0) return this.summary(number)
    throw this.#unknown(when.kind === 'time' ? `as old as ${new Date(when.atMs).toISOString()}` : `tagged ${when.tag}`)
  }

  /** @throws FreshetError RELEASE_UNKNOWN; NO_PEERS where an old block is not here. */
  async summary(number: number, options: ReadOptions = {}): Promise<ReleaseSummary> {
    const { tail, chapterBlocks } = this.#state
    const last = tail.at(-1)?.number ?? 0
    if (!Number.isSafeInteger(number) || number < 1 || number > last) throw this.#unknown(`#${number}`)
    return tail[number - chapterBlocks.length * CHAPTER_RELEASES - 1] ?? this.#summaryIn(chapterBlocks, number, options)
  }

  /** Releases `first` to `last`, oldest first. */
  async *releases(first = 1, last = this.newest?.number ?? 0): AsyncGenerator<ReleaseSummary> {
    for (let number = first; number <= last; number++) yield await this.summary(number)
  }

  /** @throws FreshetError RELEASE_UNKNOWN; NO_PEERS where an old block is not here. */
  async plan(number: number): Promise<SnapshotPlan> {
    const { plan: newest, chapterBlocks } = this.#state
    if (newest?.release.number === number) return newest
    const summary = await this.summary(number)
    const known = this.#plans.get(number)
    if (known !== undefined) return known
    const folded = this.upstream === null ? number : number - 1 // the checkpoints of a fork have no index files
    const chapter = Math.min(Math.floor(folded / CHAPTER_RELEASES), chapterBlocks.length) * CHAPTER_RELEASES
    const near = Math.max(...[...this.#plans.keys()].filter((candidate) => candidate < number), 0)
    const base = near > chapter ? (this.#plans.get(near) ?? null) : await this.#checkpoint(chapterBlocks, chapter, {})
    const between: ReleaseSummary[] = []
    for await (const release of this.releases((base?.release.number ?? 0) + 1, number)) between.push(release)
    const plan = await this.#fold(base, between, {})
    if (plan === null || !plan.release.hash.equals(summary.hash))
      throw linkError(summary.block, 'it is another release')
    this.#plans.set(number, plan)
    return plan
  }

  /** Every tag: name → number of its release. Read anew each time: notes bring no release with them. */
  async tags(options: ReadOptions = {}): Promise<ReadonlyMap<string, number>> {
    const { noteBlock, chapter } = await this.#notes(options)
    const known = this.newest?.block ?? 0
    return readTags(this.#log, noteBlock, chapter, known, (block) => this.#releasesBefore(block), options)
  }

  /** The mirrors that the log names, as they stand there; null: it never named any. Read anew each time, as tags are. */
  async mirrors(options: ReadOptions = {}): Promise<readonly string[] | null> {
    const { noteBlock, chapter } = await this.#notes(options)
    return readMirrors(this.#log, noteBlock, chapter, options)
  }

  /** Versions that were withdrawn, by NAME=VERSION. Read anew each time, as tags are. */
  async withdrawn(options: ReadOptions = {}): Promise<Withdrawals> {
    const { noteBlock, chapter } = await this.#notes(options)
    return readWithdrawn(this.#log, noteBlock, chapter, options)
  }

  /** Releases that are not offered to everybody, by number. Read anew each time, as tags are. */
  async rollouts(options: ReadOptions = {}): Promise<Rollouts> {
    const { noteBlock, chapter } = await this.#notes(options)
    return readRollouts(this.#log, noteBlock, chapter, (block) => this.#releasesBefore(block), options)
  }

  /** Where the metadata document is fixed: by now, or for release `number`. Read anew each time, as tags are. */
  async metadataBlocks(number: number | null = null, options: ReadOptions = {}): Promise<MetadataBlocks> {
    const { noteBlock, chapter } = number === null ? await this.#notes(options) : await this.#notesOf(number, options)
    return findMetadata(this.#log, noteBlock, chapter, options)
  }

  /** Where the chain of notes begins that stand before release `number`. */
  async #notesOf(number: number, options: ReadOptions): Promise<{ noteBlock: number; chapter: Chapter | null }> {
    const { block } = await this.summary(number, options)
    const { noteBlock, chapterBlock } = (await readRelease(this.#log, block, options)).release
    const index = this.#state.chapterBlocks.indexOf(chapterBlock)
    if (index < 0) return { noteBlock, chapter: null }
    return { noteBlock, chapter: await this.#chapter(this.#state.chapterBlocks, index, options) }
  }

  /** Notes that stand after the newest chapter. */
  async noteCount(): Promise<number> {
    const { noteBlock, chapter } = await this.#notes({})
    return countNotes(this.#log, noteBlock, chapter)
  }

  /** Where the chain of notes begins, and the chapter in which it ends. */
  async #notes(options: ReadOptions): Promise<{ noteBlock: number; chapter: Chapter | null }> {
    const { noteBlock } = await this.#log.newest(options)
    const { chapterBlocks } = this.#state
    return { noteBlock, chapter: chapterBlocks.length === 0 ? null : await this.#chapter(chapterBlocks, -1, options) }
  }

  /** What the next release needs to know of the table of contents. */
  async contents(): Promise<Contents> {
    const { chapterBlocks, tail } = this.#state
    const { noteBlock } = await this.#log.newest()
    if (tail.length < CHAPTER_RELEASES) return { chapterBlocks, tail, noteBlock, ...NOTHING_REPEATED }
    const gatherings = await readGatherings(this.#log, this.#state.plan?.gatherings ?? [])
    const mirrors = (await this.mirrors()) ?? []
    const [metadata, withdrawn, rollouts] = [await this.metadataBlocks(), await this.withdrawn(), await this.rollouts()]
    const repeated = { tags: await this.tags(), mirrors, gatherings, metadata, withdrawn, rollouts }
    return { chapterBlocks, tail, noteBlock, ...repeated }
  }

  /**
   * Brings some of the newest checkpoint here, for the next start. Who follows does not need it before: the release that
   * comes with a chapter brings none of it, each one after that a part, and all is here by the middle of the chapter.
   * @throws FreshetError NO_PEERS.
   */
  async fetchAhead(): Promise<void> {
    const { chapterBlocks, tail } = this.#state
    if (chapterBlocks.length === 0) return
    const { checkpointBlocks } = await this.#chapter(chapterBlocks, -1, {})
    const share = Math.ceil(checkpointBlocks.length / (CHAPTER_RELEASES / 2))
    await this.#log.download(checkpointBlocks.slice(0, share * (tail.length - 1)))
  }

  /**
   * BEP 52 pieces root of an artifact of `plan`, or null where the publisher gave none.
   * @param block where its stanza stands: the release that brought the stanza brought the root, unless it came late.
   */
  async rootOf(
    { lateRoots, upstream }: SnapshotPlan,
    digest: DigestHex,
    block: number,
    options: ReadOptions = {},
  ): Promise<Buffer | null> {
    if (levelOf(block) > 0) {
      if (this.upstream === null || upstream === null) return null
      return this.upstream.rootOf(upstream, digest, seenFromUpstream(block), options)
    }
    const late = lateRoots.get(digest)
    if (late !== undefined) return late
    const number = (await this.#releasesBefore(block, options)) + 1
    const known = this.#roots.get(number)
    if (known !== undefined) return known.get(digest) ?? null
    const { release } = await readRelease(this.#log, (await this.summary(number, options)).block, options)
    const roots = new Map(release.roots.map((root) => [digestHex(root.digest), root.piecesRoot]))
    this.#roots.set(number, roots)
    return roots.get(digest) ?? null
  }

  /** The release that brought what stands at `block`. @throws FreshetError RELEASE_UNKNOWN, NO_PEERS. */
  async broughtBy(block: number): Promise<ReleaseSummary> {
    return this.summary((await this.#releasesBefore(block)) + 1)
  }

  /** Positions of the chapters up to the one at `block`; those known must be among them. */
  async #chaptersUntil(block: number, options: ReadOptions): Promise<readonly number[]> {
    const known = this.#state.chapterBlocks
    if (block === (known.at(-1) ?? 0)) return known
    const log = this.#log
    const event = await log.event(block, options)
    if (event?.type !== 'chapter') throw linkError(block, 'it is named as a chapter and is none')
    const blocks = [...event.earlier, block]
    await this.#chapter(blocks, -1, options)
    if (known.some((position, i) => blocks[i] !== position)) throw linkError(block, 'the chapters before have moved')
    return blocks
  }

  async #chapter(chapterBlocks: readonly number[], index: number, options: ReadOptions): Promise<Chapter> {
    const block = chapterBlocks.at(index) as number
    const known = this.#chapters.get(block)
    if (known !== undefined) return known
    const chapter = await readChapter(this.#log, block, chapterBlocks.indexOf(block), options)
    this.#chapters.set(block, chapter)
    return chapter
  }

  async #summaryIn(chapterBlocks: readonly number[], number: number, options: ReadOptions): Promise<ReleaseSummary> {
    const index = Math.floor((number - 1) / CHAPTER_RELEASES)
    return releaseOfChapter(await this.#chapter(chapterBlocks, index, options), number)
  }

  /** A reader who was away for more than a chapter: the newest known release must be one of the table of contents. */
  async #requireContinues(
    chapterBlocks: readonly number[],
    known: ReleaseSummary,
    options: ReadOptions,
  ): Promise<void> {
    const listed = await this.#summaryIn(chapterBlocks, known.number, options)
    if (listed.block !== known.block || !listed.hash.equals(known.hash)) {
      throw linkError(known.block, `release ${known.number} is another one in the table of contents`)
    }
  }

  async #checkpoint(
    chapterBlocks: readonly number[],
    number: number,
    options: ReadOptions,
  ): Promise<SnapshotPlan | null> {
    if (number === 0) return null
    const chapter = await this.#chapter(chapterBlocks, number / CHAPTER_RELEASES - 1, options)
    return readCheckpoints(this.#log, chapter, number, options)
  }

  /** The plan of release `covered`, the last of the newest chapter, without fetching its checkpoint where that can be. */
  async #base(chapterBlocks: readonly number[], covered: number, options: ReadOptions): Promise<SnapshotPlan | null> {
    if (covered === 0) return null
    const chapter = await this.#chapter(chapterBlocks, -1, options)
    const { plan } = this.#state
    if (plan?.release.number === covered) return this.#asOfChapter(plan, chapter, options)
    // The checkpoint may not be here yet (fetchAhead): the one before is, with all releases since.
    const isHere = (await this.#log.missing(chapter.checkpointBlocks)).length === 0
    if (isHere || options.local !== true) return readCheckpoints(this.#log, chapter, covered, options)
    const before = covered - CHAPTER_RELEASES
    const base = await this.#checkpoint(chapterBlocks, before, options)
    const between = chapter.releases.map((_, i) => releaseOfChapter(chapter, before + 1 + i))
    return this.#asOfChapter((await this.#fold(base, between, options)) as SnapshotPlan, chapter, options)
  }

  /** As its checkpoint would have it. */
  async #asOfChapter(plan: SnapshotPlan, chapter: Chapter, options: ReadOptions): Promise<SnapshotPlan> {
    const lateRoots = await readRoots(this.#log, chapter.rootsBlock, options)
    return { ...plan, lateRoots, gatherings: chapter.gatherings }
  }

  /** The chain from `newest` back to the release after `before`, oldest first. */
  async #walkBack(newest: ReadRelease, before: ReleaseSummary | null, options: ReadOptions): Promise<ReleaseSummary[]> {
    const chain: ReleaseSummary[] = []
    const lowest = (before?.number ?? 0) + 1
    let read = newest
    for (;;) {
      const { summary, release } = read
      chain.push(summary)
      if (summary.number <= lowest) {
        checkLink(read, before)
        return chain.reverse()
      }
      const { previous } = release
      if (previous === null || previous.block >= summary.block) {
        throw linkError(summary.block, `release ${summary.number} does not follow from the known history`)
      }
      const older = await readRelease(this.#log, previous.block, options)
      checkLink(read, older.summary)
      read = older
    }
  }

  /** Read again, oldest first: the scripts of a whole chain at once would be a memory bound that the publisher sets. */
  async #fold(
    base: SnapshotPlan | null,
    releases: readonly ReleaseSummary[],
    options: ReadOptions,
  ): Promise<SnapshotPlan | null> {
    const fold = new ReleaseFold(base)
    for (const [i, { block, number, hash }] of releases.entries()) {
      const read = await readRelease(this.#log, block, options)
      if (read.summary.number !== number || !read.summary.hash.equals(hash)) {
        throw linkError(block, `it is not the release ${number} that the table of contents names`)
      }
      const { upstream } = read.release
      if (upstream === null) fold.add(read)
      else if (i < releases.length - 1) fold.addRoots(read)
      else if (this.upstream === null) throw linkError(block, 'it is a release of a fork, and the channel is none')
      else fold.addFork(read, await this.upstream.planOf(upstream, options))
    }
    return fold.plan()
  }

  /**
   * The plan of a release as a fork of this channel names it.
   * @throws FreshetError UPSTREAM_MISMATCH when this log has another release there; NO_PEERS when it is not as long yet.
   */
  async planOf(named: UpstreamRelease, options: ReadOptions = {}): Promise<SnapshotPlan> {
    await requireRelease(this.#log, named, options)
    await this.advance(named.block, options)
    return this.plan(named.number)
  }

  /** Number of the newest release that stands before `block`; 0: none. */
  async #releasesBefore(block: number, options: ReadOptions = {}): Promise<number> {
    const { chapterBlocks, tail } = this.#state
    // Chapter i stands after its own releases and before all later ones.
    const index = chapterBlocks.findIndex((position) => position > block)
    const listed = index < 0 ? tail : (await this.#chapter(chapterBlocks, index, options)).releases
    const after = listed.findIndex((release) => release.block > block)
    const first = (index < 0 ? chapterBlocks.length : index) * CHAPTER_RELEASES
    return first + (after < 0 ? listed.length : after)
  }

  /** Number of the release that was the newest at a time; 0: none was there yet. */
  async #numberAt(atMs: number): Promise<number> {
    const { chapterBlocks, tail } = this.#state
    const inTail = tail.findLast(({ publishedAtMs }) => publishedAtMs <= atMs)
    if (inTail !== undefined) return inTail.number
    let [low, high] = [0, chapterBlocks.length * CHAPTER_RELEASES]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((await this.#summaryIn(chapterBlocks, middle, {})).publishedAtMs <= atMs) low = middle
      else high = middle - 1
    }
    return low
  }

  #unknown(what: string): FreshetError {
    const newest = this.newest?.number ?? 0
    return new FreshetError('RELEASE_UNKNOWN', `channel ${this.#log.id} has no release ${what}`, { newest })
  }
}
