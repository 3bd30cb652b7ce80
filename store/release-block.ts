/** One `release` block of a log: read, checked by itself and against the release before it. release-fold.ts applies it. */
import { createHash } from 'node:crypto'
import { stanzaCount } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { decodeEvent, expectEvent } from '../schemas/events.ts'
import type { Release } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { SNAPSHOT_STANZAS_MAX } from '../schemas/limits.ts'
import { repositoryPathFault } from '../schemas/repository-path.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

export interface ReleaseSummary {
  readonly number: number
  /** Position of the release block, and SHA-256 of that block. */
  readonly block: number
  readonly hash: Buffer
  readonly publishedAtMs: number
  readonly releasedAtMs: number
  readonly validUntilMs: number | null
  readonly suite: string
  readonly signedIndexBlock: number
}

export interface PlannedIndex {
  readonly path: string
  readonly byteLength: number
  readonly digest: DigestHex
  readonly runs: readonly Run[]
}

/** Everything needed to rebuild a snapshot: which stanzas of which blocks, in which order. */
export interface SnapshotPlan {
  readonly release: ReleaseSummary
  readonly indexes: readonly PlannedIndex[]
  /** Pieces roots that came later than the stanza they belong to. */
  readonly lateRoots: ReadonlyMap<DigestHex, Buffer>
  /** In a fork: the upstream release it stands on, as upstream has it. */
  readonly upstream: SnapshotPlan | null
  /** Positions of gatherings, which say where text is read with less work (store/gather-stanzas.ts), oldest first. */
  readonly gatherings: readonly number[]
}

export interface ReadRelease {
  readonly summary: ReleaseSummary
  readonly release: Release
}

/** @throws FreshetError EVENT_INVALID unless `block` is a release that can stand there; NO_PEERS. */
export async function readRelease(log: ReleaseLog, block: number, options: ReadOptions = {}): Promise<ReadRelease> {
  const bytes = await log.block(block, options)
  const release = expectEvent('release', decodeEvent(bytes), block)
  const { number, publishedAtMs, releasedAtMs, validUntilMs, suite, signedIndexBlock, chapterBlock, noteBlock } =
    release
  if (signedIndexBlock >= block) throw linkError(block, 'the signed index stands after the release')
  if (chapterBlock >= block || noteBlock >= block) throw linkError(block, 'a chapter or note stands after the release')
  if (release.headBefore.length > block) throw linkError(block, 'the head before the release is longer than it can be')
  const fault = repositoryPathFault(suite)
  if (fault !== null) throw linkError(block, `the suite ${fault}`)
  const hash = createHash('sha256').update(bytes).digest()
  const summary = { number, block, hash, publishedAtMs, releasedAtMs, validUntilMs, suite, signedIndexBlock }
  return { release, summary }
}

/** @throws FreshetError EVENT_INVALID unless `older` is the release that `newer` says it follows (null: it must be the first). */
export function checkLink({ summary, release }: ReadRelease, older: ReleaseSummary | null): void {
  const { block, number, publishedAtMs } = summary
  const { previous } = release
  if (number !== (older?.number ?? 0) + 1)
    throw linkError(block, `release ${number} follows ${older?.number ?? 'none'}`)
  if (previous === null || older === null) {
    if (previous === null && older === null) return
    throw linkError(block, 'only the first release has no predecessor')
  }
  if (previous.block !== older.block || !previous.hash.equals(older.hash)) {
    throw linkError(block, 'the release before is not the one this release names')
  }
  if (older.block >= block) throw linkError(block, 'the release before stands after this one')
  if (publishedAtMs <= older.publishedAtMs) throw linkError(block, 'it says it is older than the release before')
}

export function requireBounded(block: number, indexes: readonly Pick<PlannedIndex, 'runs'>[]): void {
  const stanzas = indexes.reduce((sum, { runs }) => sum + stanzaCount(runs), 0)
  if (stanzas <= SNAPSHOT_STANZAS_MAX) return
  throw linkError(block, `the snapshot has more than ${SNAPSHOT_STANZAS_MAX} stanzas`)
}

export function linkError(block: number, message: string): FreshetError {
  return new FreshetError('EVENT_INVALID', `block ${block}: ${message}`, { block })
}
