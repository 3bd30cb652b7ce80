/**
 * From a draft and the release before it to the blocks of the next release: only text that the log does not have yet is
 * packed, everything else is an edit script.
 *
 * Writes nothing. Compression runs on the thread pool, so that a first import uses all cores.
 */
import { createHash } from 'node:crypto'
import { encodeEvent } from '../schemas/events.ts'
import type { IndexFile, Release } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { INDEX_BYTES_MAX, INDEXES_MAX, IN_RELEASE_BYTES_MAX } from '../schemas/limits.ts'
import type { DraftBasis, ReleaseDraft } from '../schemas/release-draft.ts'
import { NO_STANZAS, StanzaTable } from '../schemas/stanza-table.ts'
import type { StanzaList } from '../schemas/stanza-table.ts'
import {
  isBlankSlice,
  leadingName,
  readPackageStanza,
  readSlice,
  scanPackages,
  splitStanzas,
} from '../schemas/stanza.ts'
import type { PackageStanza } from '../schemas/stanza.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { AddedPackage, IndexChanges, IndexedPackage, RemovedPackage } from './package-index.ts'
import { pack } from './brotli.ts'
import { isChapterDue, packChapter } from './chapter-blocks.ts'
import type { Contents } from './chapter-blocks.ts'
import { composeBasis } from './compose-fork.ts'
import { StanzaGroups } from './pack-stanzas.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReleaseBlocks } from './release-log.ts'

/** The release before: its plan, its texts, and what the log's table of contents has by now. */
export interface ReleaseBefore {
  readonly plan: SnapshotPlan
  /** The stanzas of one of its index files, by path; a list is good until the next one is asked for. */
  readonly stanzas: (path: string) => AsyncIterable<StanzaList>
  readonly contents: Contents
}

export interface ComposeInput {
  /** Length of the log that the release will be appended to. */
  readonly base: number
  readonly before: ReleaseBefore | null
  readonly draft: ReleaseDraft
  readonly publishedAtMs: number
}

export interface ComposedRelease extends ReleaseBlocks {
  /** Packages by name, version and architecture that came and went. */
  readonly added: number
  readonly removed: number
  /** What the release adds to the log, without the release block itself. */
  readonly byteLength: number
  /** Block of a stanza of each of these artifacts; from `base` on: this release brings it. Reads every stanza. */
  readonly blocksOf: (digests: ReadonlySet<DigestHex>) => ReadonlyMap<DigestHex, number>
}

/** What index files and stanzas come to. */
interface Composed {
  /** Chapter and stanzas, and in a fork its curation. */
  readonly blocks: readonly Buffer[]
  /** Those of them that are a chapter. */
  readonly chapterLength: number
  readonly indexes: readonly IndexFile[]
  readonly changes: IndexChanges
  readonly upstream: Release['upstream']
  readonly blocksOf: ComposedRelease['blocksOf']
}

/** @throws FreshetError STANZA_*, FILENAME_UNSAFE, VERSION_REUSE, EVENT_INVALID. */
export async function composeRelease(input: ComposeInput): Promise<ComposedRelease> {
  const { base, before, draft } = input
  const { basis } = draft
  const files = basis?.indexes ?? draft.indexes.map(({ path, bytes: { byteLength } }) => ({ path, byteLength }))
  if (files.length > INDEXES_MAX) throw tooLarge(`${files.length} index files`)
  for (const { path, byteLength } of files) {
    if (byteLength > INDEX_BYTES_MAX) throw tooLarge(`${path} of ${byteLength} bytes`)
  }
  const composed = basis === undefined ? await composeTexts(input) : await composeOnUpstream(input, basis)
  const { changes, chapterLength, indexes, upstream, blocksOf } = composed
  const blocks = [...composed.blocks, await packSignedIndex(draft.inRelease)]
  const previous = before?.plan.release ?? null
  const release: ReleaseBlocks['release'] = {
    number: (previous?.number ?? 0) + 1,
    publishedAtMs: Math.max(input.publishedAtMs, (previous?.publishedAtMs ?? 0) + 1), // a clock set back must not reorder
    releasedAtMs: draft.releasedAtMs,
    validUntilMs: draft.validUntilMs,
    previous: previous === null ? null : { block: previous.block, hash: previous.hash },
    suite: draft.suite,
    signedIndexBlock: base + blocks.length - 1,
    indexes,
    chapterBlock: chapterLength > 0 ? base + chapterLength - 1 : (before?.contents.chapterBlocks.at(-1) ?? 0),
    noteBlock: before?.contents.noteBlock ?? 0,
    upstream,
  }
  const byteLength = blocks.reduce((sum, block) => sum + block.byteLength, 0)
  return {
    base,
    blocks,
    release,
    changes,
    added: packageCount(changes.added),
    removed: packageCount(changes.removed),
    byteLength,
    blocksOf,
  }
}

/** From texts to the scripts that lead to them from the release before. */
async function composeTexts({ base, before, draft }: ComposeInput): Promise<Composed> {
  const table = new StanzaTable()
  // First, so that the text of the release before has to be in memory only where this one does not have it.
  const fresh = draft.indexes.map(({ path, bytes }): FreshIndex => {
    const offsets = splitStanzas(bytes)
    return { path, bytes, offsets, ids: table.add({ bytes, offsets }) }
  })
  const old = await placeOld(table, before)
  const stanzas = readNew(table, fresh)
  const chapter = await packDueChapter(base, before)
  const packed = await packStanzas(table, base + chapter.length)
  const changes = changesOf(
    table,
    stanzas,
    [...old.values()],
    fresh.map(({ ids }) => ids),
  )
  if (draft.ownRelease) refuseReuse(changes)
  const indexes = fresh.map(({ path, bytes, ids }): IndexFile => {
    const digest = createHash('sha256').update(bytes).digest()
    return { path, byteLength: bytes.byteLength, digest, script: table.script(old.get(path) ?? NO_STANZAS, ids) }
  })
  return {
    blocks: [...chapter, ...packed],
    chapterLength: chapter.length,
    indexes,
    changes,
    upstream: null,
    blocksOf: (digests) => blocksOf(table, fresh, digests),
  }
}

/** Of a fork, whose other packages are upstream's. */
async function composeOnUpstream({ base, before }: ComposeInput, basis: DraftBasis): Promise<Composed> {
  const chapter = await packDueChapter(base, before)
  const { blocks, curationBlock, scripts, changes } = await composeBasis(base + chapter.length, basis)
  const indexes = basis.indexes.map(({ path, byteLength, digest }): IndexFile => {
    return { path, byteLength, digest: Buffer.from(digest, 'hex'), script: scripts.get(path) ?? [] }
  })
  return {
    blocks: [...chapter, ...blocks],
    chapterLength: chapter.length,
    indexes,
    changes,
    upstream: { ...basis.upstream, curationBlock },
    blocksOf: (wanted) =>
      new Map(changes.added.filter(({ digest }) => wanted.has(digest)).map(({ digest, block }) => [digest, block])),
  }
}

/** Whether the draft says nothing that the release before did not; new piece roots are for the caller to look at. */
export function isUnchanged(
  composed: ComposedRelease,
  before: ReleaseBefore | null,
  inReleaseBefore: Buffer | null,
  draft: ReleaseDraft,
): boolean {
  if (before === null || inReleaseBefore === null) return false
  const { release } = composed
  if (draft.basis !== undefined && !isSameBasis(release, before, draft.basis)) return false
  return (
    release.suite === before.plan.release.suite &&
    (draft.ownRelease || inReleaseBefore.equals(draft.inRelease)) &&
    release.indexes.length === before.plan.indexes.length &&
    release.indexes.every(({ path, digest }) =>
      before.plan.indexes.some((known) => known.path === path && known.digest === digest.toString('hex')),
    )
  )
}

/** A fork that moves, or wants something else, says so even where no package differs yet. */
function isSameBasis({ upstream }: ReleaseBlocks['release'], { plan }: ReleaseBefore, basis: DraftBasis): boolean {
  const stands = plan.upstream?.release.hash.equals(basis.upstream.hash) === true
  return stands && upstream?.curationBlock === (basis.before?.block ?? 0)
}

/** Gives every new text a place and packs it. */
function packStanzas(table: StanzaTable, base: number): Promise<Buffer[]> {
  const groups = new StanzaGroups()
  for (const id of table.unplaced()) {
    const { group, ordinal } = groups.add(table.textOf(id))
    table.place(id, base + group, ordinal)
  }
  return groups.pack()
}

async function packDueChapter(base: number, before: ReleaseBefore | null): Promise<Buffer[]> {
  if (before === null || !isChapterDue(before.contents)) return []
  return packChapter(base, before.contents, before.plan, before.stanzas)
}

/** An index of the draft; `ids` are the table's. */
interface FreshIndex {
  readonly path: string
  readonly bytes: Buffer
  readonly offsets: Uint32Array
  readonly ids: Int32Array
}

/** Finds the texts of the release before in the table. @returns the ids of each of its indexes. */
async function placeOld(table: StanzaTable, before: ReleaseBefore | null): Promise<Map<string, Int32Array>> {
  const old = new Map<string, Int32Array>()
  if (before === null) return old
  for (const { path, runs } of before.plan.indexes) {
    const found: Int32Array[] = []
    for await (const list of before.stanzas(path)) found.push(table.addCopies(list))
    const ids = concatenated(found)
    table.placeRuns(ids, runs)
    old.set(path, ids)
  }
  return old
}

function concatenated(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Stanzas whose text the release before does not have, checked, by id. The others were checked when they came. */
function readNew(table: StanzaTable, indexes: readonly FreshIndex[]): Map<number, PackageStanza> {
  const stanzas = new Map<number, PackageStanza>()
  for (const { path, bytes, offsets, ids } of indexes) {
    for (const [index, id] of ids.entries()) {
      const stanza = table.placeOf(id).block >= 0 ? null : readSlice(bytes, offsets, index, path)
      if (stanza !== null) stanzas.set(id, stanza)
    }
  }
  return stanzas
}

function blocksOf(
  table: StanzaTable,
  indexes: readonly FreshIndex[],
  digests: ReadonlySet<DigestHex>,
): Map<DigestHex, number> {
  const blocks = new Map<DigestHex, number>()
  if (digests.size === 0) return blocks
  for (const { path, bytes, ids } of indexes) {
    scanPackages(bytes, path, (index, { digest }) => {
      if (digests.has(digest)) blocks.set(digest, table.placeOf(ids[index] as number).block)
    })
  }
  return blocks
}

async function packSignedIndex(inRelease: Buffer): Promise<Buffer> {
  if (inRelease.byteLength > IN_RELEASE_BYTES_MAX) throw tooLarge(`an InRelease of ${inRelease.byteLength} bytes`)
  return encodeEvent({ type: 'signedIndex', byteLength: inRelease.byteLength, compressed: await pack(inRelease) })
}

function changesOf(
  table: StanzaTable,
  stanzas: ReadonlyMap<number, PackageStanza>,
  before: readonly Int32Array[],
  after: readonly Int32Array[],
): IndexChanges {
  const held = new Set<number>()
  for (const ids of before) for (const id of ids) held.add(id)
  const kept = new Set<number>()
  for (const ids of after) for (const id of ids) kept.add(id)
  const added: AddedPackage[] = []
  for (const [id, { name, version, architecture, digest }] of stanzas) {
    const { block, first } = table.placeOf(id)
    added.push({ name, version, architecture, digest, block, ordinal: first })
  }
  const removed: PackageStanza[] = []
  for (const id of held) {
    if (kept.has(id)) continue
    const stanza = readKnown(table.textOf(id))
    if (stanza !== null) removed.push(stanza)
  }
  const stayed = identitiesThatStay(table, held, kept, new Set(removed.map(({ name }) => name)))
  return { added, removed: removed.filter((stanza) => !stayed.has(identityOf(stanza))).map(packageOf) }
}

/**
 * Of the packages called `names`: those of which another stanza did not change. One package may have several, an
 * Architecture: all package whose indexes differ in words: it has not left while one of them is there.
 */
function identitiesThatStay(
  table: StanzaTable,
  held: ReadonlySet<number>,
  kept: ReadonlySet<number>,
  names: ReadonlySet<string>,
): Set<string> {
  const stayed = new Set<string>()
  if (names.size === 0) return stayed
  for (const id of held) {
    if (!kept.has(id)) continue
    const text = table.textOf(id)
    const name = leadingName(text)
    if (name !== null && !names.has(name)) continue
    const stanza = readKnown(text)
    if (stanza !== null) stayed.add(identityOf(stanza))
  }
  return stayed
}

/** A stanza of the release before. */
function readKnown(text: Buffer): PackageStanza | null {
  return isBlankSlice(text) ? null : readPackageStanza(text, 0, text.byteLength, 'a stanza of the release before')
}

function packageOf({ name, version, architecture, digest }: PackageStanza): RemovedPackage {
  return { name, version, architecture, digest }
}

function packageCount(packages: readonly IndexedPackage[]): number {
  return new Set(packages.map(identityOf)).size
}

/** What makes two stanzas the same package, whatever else they say. */
function identityOf({ name, version, architecture }: IndexedPackage): string {
  return `${name} ${version} ${architecture}`
}

/** @throws FreshetError VERSION_REUSE: peers and caches would hold two files for one name. */
function refuseReuse({ added, removed }: IndexChanges): void {
  const before = new Map(removed.map((gone) => [identityOf(gone), gone]))
  for (const fresh of added) {
    const gone = before.get(identityOf(fresh))
    if (gone === undefined || gone.digest === fresh.digest) continue
    const { name, version, architecture } = fresh
    const message = `${name} ${version} (${architecture}) was published with other bytes before`
    throw new FreshetError('VERSION_REUSE', message, { name, version, architecture })
  }
}

function tooLarge(what: string): FreshetError {
  return new FreshetError('EVENT_INVALID', `${what} exceeds the bound of the log`)
}
