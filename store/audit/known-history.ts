/**
 * What an auditor knows of a log before its next unit: the release before, the table of contents, tags, piece roots.
 *
 * Begins after the genesis, or after a release that is taken for granted and read with the help of its checkpoints.
 */
import { expectEvent } from '../../schemas/events.ts'
import type { Chapter, Release } from '../../schemas/events.ts'
import { CHAPTER_RELEASES } from '../../schemas/limits.ts'
import type { Metadata } from '../../schemas/metadata-events.ts'
import type { Maintainer } from '../../schemas/metadata-fold.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { RolloutState } from '../../schemas/rollout.ts'
import type { Withdrawal } from '../../schemas/withdrawal.ts'
import { History } from '../history.ts'
import { readFixed } from '../fixed-metadata.ts'
import { readMirrors, readRollouts, readTags, readWithdrawn } from '../notes.ts'
import type { MetadataBlocks } from '../notes.ts'
import { readRelease } from '../release-block.ts'
import type { ReleaseSummary, SnapshotPlan } from '../release-block.ts'
import type { ReleaseLog } from '../release-log.ts'

export interface KnownHistory {
  /** Length of the log so far. */
  length: number
  plan: SnapshotPlan | null
  /** Of a fork: position of its newest curation; 0: none. */
  curationBlock: number
  /** Head of the look-up index that the release before names. */
  lookup: Release['index'] | null
  chapterBlocks: number[]
  /** Releases that no chapter has yet. */
  tail: ReleaseSummary[]
  noteBlock: number
  tags: Map<string, number>
  /** What the newest note about mirrors says. */
  mirrors: readonly string[]
  /** Versions that were withdrawn, by NAME=VERSION. */
  withdrawn: Map<string, Withdrawal>
  /** Releases that are not offered to everybody, by number. */
  rollouts: Map<number, RolloutState>
  /** Who writes the metadata, how far it is fixed, and where the notes about both stand. */
  maintainers: readonly Maintainer[]
  /** In a fork: those of its upstreams, as the newest note counts them. */
  inherited: readonly Maintainer[]
  metadata: Metadata | null
  metadataBlocks: MetadataBlocks
  /** Positions of those that the newest chapter names. */
  gatherings: readonly number[]
  /** Piece roots that were stated, all of them unless releases were taken for granted. */
  readonly roots: Map<DigestHex, Buffer>
  readonly isComplete: boolean
  /** Those that stand in the newest chapter or came late since. */
  lateRoots: Map<DigestHex, Buffer>
}

/** After the genesis alone. */
function emptyHistory(): KnownHistory {
  return {
    length: 1,
    plan: null,
    curationBlock: 0,
    lookup: null,
    chapterBlocks: [],
    tail: [],
    noteBlock: 0,
    tags: new Map(),
    mirrors: [],
    withdrawn: new Map(),
    rollouts: new Map(),
    maintainers: [],
    inherited: [],
    metadata: null,
    metadataBlocks: { maintainersBlock: 0, metadataBlock: 0 },
    gatherings: [],
    roots: new Map(),
    isComplete: true,
    lateRoots: new Map(),
  }
}

/** @param upstream of a fork. After release `number`, which is believed. @throws FreshetError RELEASE_UNKNOWN, EVENT_INVALID, NO_PEERS. */
export async function historyAt(log: ReleaseLog, number: number, upstream: History | null): Promise<KnownHistory> {
  if (number === 0) return emptyHistory()
  const history = new History(log)
  history.upstream = upstream
  await history.advance()
  const plan = await history.plan(number)
  const { release } = await readRelease(log, plan.release.block)
  const { chapterBlock, noteBlock, index } = release
  const chapter = chapterBlock === 0 ? null : expectEvent('chapter', await log.event(chapterBlock), chapterBlock)
  const chapterBlocks = chapter === null ? [] : [...chapter.earlier, chapterBlock]
  const tail: ReleaseSummary[] = []
  const metadataBlocks = await history.metadataBlocks(number)
  const { maintainers, inherited, note: metadata } = await readFixed(log, metadataBlocks, {})
  for await (const summary of history.releases(chapterBlocks.length * CHAPTER_RELEASES + 1, number)) tail.push(summary)
  return {
    length: plan.release.block + 1,
    plan,
    curationBlock: release.upstream?.curationBlock ?? 0,
    lookup: index,
    chapterBlocks,
    tail,
    noteBlock,
    tags: await tagsAt(log, noteBlock, chapter, plan.release.block, number),
    mirrors: (await readMirrors(log, noteBlock, chapter, {})) ?? [],
    withdrawn: new Map(await readWithdrawn(log, noteBlock, chapter, {})),
    rollouts: new Map(await readRollouts(log, noteBlock, chapter, async () => number, {})),
    maintainers,
    inherited,
    metadata,
    metadataBlocks,
    gatherings: plan.gatherings,
    roots: new Map(plan.lateRoots),
    isComplete: false,
    lateRoots: new Map(plan.lateRoots),
  }
}

async function tagsAt(
  log: ReleaseLog,
  noteBlock: number,
  chapter: Chapter | null,
  releaseBlock: number,
  number: number,
): Promise<Map<string, number>> {
  return new Map(await readTags(log, noteBlock, chapter, releaseBlock, async () => number, {}))
}
