/**
 * The blocks of a chapter: the publisher packs them in front of the first release after CHAPTER_RELEASES others; readers find
 * any release, and the runs of every chapter's last one, without folding what came before.
 */
import { expectEvent, encodeEvent } from '../schemas/events.ts'
import type { Chapter, Checkpoint } from '../schemas/events.ts'
import { CHAPTER_RELEASES, CHECKPOINT_PART_BYTES, PACKED_RUNS_BYTES_MAX } from '../schemas/limits.ts'
import { packRuns, unpackRuns } from '../schemas/packed-runs.ts'
import type { StanzaList } from '../schemas/stanza-table.ts'
import { readSlice } from '../schemas/stanza.ts'
import { digestHex } from '../schemas/units.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { Rollouts } from '../schemas/rollout.ts'
import type { Withdrawals } from '../schemas/withdrawal.ts'
import { pack, unpack } from './brotli.ts'
import { type Gathering, type PackedGathering, packGathering } from './gather-stanzas.ts'
import type { MetadataBlocks } from './notes.ts'
import { linkError, requireBounded } from './release-block.ts'
import type { PlannedIndex, ReleaseSummary, SnapshotPlan } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

/** Where a log's table of contents stands, as the next release needs to know it. */
export interface Contents {
  /** Positions of all chapters. */
  readonly chapterBlocks: readonly number[]
  /** Releases that no chapter has yet, oldest first. */
  readonly tail: readonly ReleaseSummary[]
  readonly tags: ReadonlyMap<string, number>
  readonly mirrors: readonly string[]
  readonly metadata: MetadataBlocks
  readonly withdrawn: Withdrawals
  readonly rollouts: Rollouts
  /** Position of the newest note; 0: none. */
  readonly noteBlock: number
  /** In use so far. */
  readonly gatherings: readonly Gathering[]
}

/** While no chapter is due, nobody asks what it would repeat. */
export const NOTHING_REPEATED: Omit<Contents, 'chapterBlocks' | 'tail' | 'noteBlock'> = {
  tags: new Map(),
  mirrors: [],
  gatherings: [],
  metadata: { maintainersBlock: 0, metadataBlock: 0 },
  withdrawn: new Map(),
  rollouts: new Map(),
}

const NO_COPIES: PackedGathering = { blocks: [], gatherings: [] }

/** @returns whether the release after `contents` begins with a chapter. */
export function isChapterDue({ tail }: Contents): boolean {
  return tail.length >= CHAPTER_RELEASES
}

/**
 * @param base position that the first of these blocks will have; the last is the chapter.
 * @param stanzas of an index file of `plan` by path: for copies, and late roots of packages that are gone are left out.
 */
export async function packChapter(
  base: number,
  { chapterBlocks, tail, tags, mirrors, metadata, withdrawn, rollouts, noteBlock, gatherings: known }: Contents,
  plan: SnapshotPlan,
  stanzas: (path: string) => AsyncIterable<StanzaList>,
): Promise<Buffer[]> {
  // A fork's releases start from its upstream's, which has checkpoints and gatherings: nothing of it is repeated.
  const isFork = plan.upstream !== null
  const { blocks: copies, gatherings } = isFork ? NO_COPIES : await packGathering(base, plan, stanzas, known)
  const checkpoints: Buffer[] = []
  for (const index of isFork ? [] : plan.indexes) checkpoints.push(...(await packCheckpoint(index)))
  const blocks = [...copies, ...checkpoints]
  const checkpointBlocks = checkpoints.map((_, i) => base + copies.length + i)
  const roots = await livingRoots(plan, stanzas)
  const rootsBlock = roots.length > 0 ? base + blocks.length : 0
  if (roots.length > 0) blocks.push(encodeEvent({ type: 'roots', roots }))
  const releases = tail.map(({ number: _, ...release }) => release)
  blocks.push(
    encodeEvent({
      type: 'chapter',
      earlier: chapterBlocks,
      releases,
      checkpointBlocks,
      rootsBlock,
      tags: [...tags].map(([name, number]) => ({ name, number })),
      noteBlock,
      mirrors,
      gatherings,
      ...metadata,
      withdrawn: [...withdrawn.values()],
      rollouts: [...rollouts.values()],
    }),
  )
  return blocks
}

/** Chapter number `index` of a log, which stands at `block`. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readChapter(
  log: ReleaseLog,
  block: number,
  index: number,
  options: ReadOptions,
): Promise<Chapter> {
  const chapter = expectEvent('chapter', await log.event(block, options), block)
  if (chapter.earlier.length !== index) throw linkError(block, `it is chapter ${chapter.earlier.length}, not ${index}`)
  if (chapter.releases.length !== CHAPTER_RELEASES) {
    throw linkError(block, `a chapter of ${chapter.releases.length} releases`)
  }
  const positions = chapter.releases.map((release) => release.block)
  const rising = [...chapter.earlier.slice(-1), ...positions, block]
  if (!isRising(chapter.earlier) || !isRising(rising)) throw linkError(block, 'positions in a chapter do not rise')
  const { checkpointBlocks, rootsBlock, noteBlock, maintainersBlock, metadataBlock } = chapter
  const named = [...checkpointBlocks, rootsBlock, noteBlock, ...chapter.gatherings, maintainersBlock, metadataBlock]
  if (named.some((position) => position >= block)) {
    throw linkError(block, 'a chapter names blocks after itself')
  }
  return chapter
}

/** Release `number` as its chapter has it. */
export function releaseOfChapter({ releases }: Chapter, number: number): ReleaseSummary {
  return { number, ...(releases[(number - 1) % CHAPTER_RELEASES] as Chapter['releases'][number]) }
}

/** The snapshot plan of the last release of a chapter, from its checkpoints. */
export async function readCheckpoints(
  log: ReleaseLog,
  chapter: Chapter,
  number: number,
  options: ReadOptions,
): Promise<SnapshotPlan> {
  const release = releaseOfChapter(chapter, number)
  const indexes: PlannedIndex[] = []
  for (let i = 0; i < chapter.checkpointBlocks.length;) {
    const parts = await readParts(log, chapter.checkpointBlocks.slice(i), options)
    indexes.push(await readCheckpoint(parts, chapter.checkpointBlocks[i] as number, release))
    i += parts.length
  }
  requireBounded(release.block, indexes)
  const lateRoots = await readRoots(log, chapter.rootsBlock, options)
  return { release, indexes, lateRoots, gatherings: chapter.gatherings, upstream: null }
}

/** The checkpoint at the first of `blocks`, and those after it that continue it. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readParts(
  log: ReleaseLog,
  blocks: readonly number[],
  options: ReadOptions,
): Promise<Checkpoint[]> {
  const parts: Checkpoint[] = []
  let byteLength = 0
  for (const block of blocks) {
    const part = expectEvent('checkpoint', await log.event(block, options), block)
    if (part.path !== (parts[0]?.path ?? part.path)) break
    byteLength += part.compressed.byteLength
    if (byteLength > PACKED_RUNS_BYTES_MAX)
      throw linkError(block, `a checkpoint of more than ${PACKED_RUNS_BYTES_MAX} bytes`)
    parts.push(part)
  }
  return parts
}

/** @param block position of the first part. @throws FreshetError EVENT_INVALID. */
export async function readCheckpoint(
  parts: readonly Checkpoint[],
  block: number,
  release: ReleaseSummary,
): Promise<PlannedIndex> {
  const { path, byteLength, digest, packedByteLength } = parts[0] as Checkpoint
  const isOne = parts.every(
    (part) =>
      part.byteLength === byteLength && part.digest.equals(digest) && part.packedByteLength === packedByteLength,
  )
  if (!isOne) throw linkError(block, 'the parts of a checkpoint do not belong together')
  const compressed = Buffer.concat(parts.map((part) => part.compressed))
  const packed = await unpack({ block, byteLengthMax: PACKED_RUNS_BYTES_MAX }, compressed, packedByteLength)
  const runs = unpackRuns(packed)
  if (runs.some((run) => run.block >= release.block)) throw linkError(block, 'a checkpoint has runs from the future')
  return { path, byteLength, digest: digestHex(digest), runs }
}

/** `block` 0: there are none. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readRoots(log: ReleaseLog, block: number, options: ReadOptions): Promise<Map<DigestHex, Buffer>> {
  if (block === 0) return new Map()
  const { roots } = expectEvent('roots', await log.event(block, options), block)
  return new Map(roots.map(({ digest, piecesRoot }) => [digestHex(digest), piecesRoot]))
}

async function packCheckpoint({ path, byteLength, digest, runs }: PlannedIndex): Promise<Buffer[]> {
  const packed = packRuns(runs)
  const compressed = await pack(packed)
  const parts: Buffer[] = []
  for (let at = 0; at === 0 || at < compressed.byteLength; at += CHECKPOINT_PART_BYTES) {
    const part = {
      path,
      byteLength,
      digest: Buffer.from(digest, 'hex'),
      packedByteLength: packed.byteLength,
      compressed: compressed.subarray(at, at + CHECKPOINT_PART_BYTES),
    }
    parts.push(encodeEvent({ type: 'checkpoint', ...part }))
  }
  return parts
}

async function livingRoots(
  { indexes, lateRoots }: SnapshotPlan,
  stanzas: (path: string) => AsyncIterable<StanzaList>,
): Promise<{ digest: Buffer; piecesRoot: Buffer }[]> {
  if (lateRoots.size === 0) return []
  const living = new Map<DigestHex, Buffer>()
  for (const { path } of indexes) {
    for await (const { bytes, offsets } of stanzas(path)) {
      for (let i = 0; i < offsets.length - 1; i++) {
        const digest = readSlice(bytes, offsets, i, path)?.digest
        const root = digest === undefined ? undefined : lateRoots.get(digest)
        if (digest !== undefined && root !== undefined) living.set(digest, root)
      }
    }
  }
  return [...living].map(([digest, piecesRoot]) => ({ digest: Buffer.from(digest, 'hex'), piecesRoot }))
}

function isRising(positions: readonly number[]): boolean {
  return positions.every((position, i) => i === 0 || position > (positions[i - 1] as number))
}
