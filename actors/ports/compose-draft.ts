/**
 * The steps that publishing and preparing share: catch up, take in the bytes, compose the next release of an own channel.
 *
 * Appends nothing. What it leaves behind is files of the pool and of indexes/, and running it again finds them there.
 */
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import type { Release } from '../../schemas/events.ts'
import type { LocalArtifact, ReleaseDraft } from '../../schemas/release-draft.ts'
import { digestHex } from '../../schemas/units.ts'
import { composeRelease, isUnchanged } from '../../store/compose-release.ts'
import type { ComposedRelease, ReleaseBefore } from '../../store/compose-release.ts'
import type { HeadRecords } from '../../store/head-records.ts'
import type { IndexFiles } from '../../store/index-files.ts'
import type { Pool, TakenIn } from '../../store/pool.ts'
import type { LateFindings, NewRoots } from '../../store/release-log.ts'
import { readStanzas } from '../../store/stanza-file.ts'
import type { Channel } from '../channel.ts'
import type { ArchitectureCheck } from '../solver/checked-snapshot.ts'
import { draftCheck, draftIndexes, refuseBroken, verdictsOf } from './check-release.ts'
import type { DraftToCheck } from './check-release.ts'
import { newRoots } from './new-roots.ts'
import type { PackageChecker } from './package-checker.ts'

export interface PublishDeps {
  readonly pool: Pool
  readonly heads: HeadRecords
  readonly files: IndexFiles
  readonly now: () => number
  readonly checker: PackageChecker
  /** Whether the release says which of its packages cannot be installed, or is refused where some become so. */
  readonly verdicts: 'off' | 'on' | 'refuse'
  readonly warn: (message: string) => void
  /** Lets peers hand over what this log has lost. @throws FreshetError PUBLISH_BEHIND when it cannot be had. */
  readonly catchUp: (channel: Channel) => Promise<void>
}

export interface PublishProgress {
  readonly phase: 'files'
  readonly done: number
  readonly total: number
}

export interface ComposedDraft {
  readonly composed: ComposedRelease
  readonly roots: Promise<NewRoots>
  readonly counts: Promise<DraftCounts>
  /** Whether there is anything in it that the channel does not say already. */
  readonly isNews: () => Promise<boolean>
  /** The index files, on disk before anybody can ask for them; resolves with `roots`, and with what cannot be installed. */
  readonly served: () => Promise<LateFindings>
}

/** Files of the draft whose bytes this node now serves, and those that were passed over because they differ. */
export interface DraftCounts {
  readonly artifacts: number
  readonly passedOver: number
}

/**
 * @throws FreshetError CHANNEL_READ_ONLY, PUBLISH_BEHIND, and what composing throws; RELEASE_BREAKS before any file is copied, and where
 * such a release is to be refused, what checking throws.
 */
export async function composeDraft(
  deps: PublishDeps,
  channel: Channel,
  draft: ReleaseDraft,
  onProgress: (progress: PublishProgress) => void,
): Promise<ComposedDraft> {
  await requireCaughtUp(deps, channel)
  await channel.history.advance()
  const before = await readBefore(channel)
  const composing = composeRelease({ base: channel.log.length, before, draft, publishedAtMs: deps.now() })
  const isSame = composing.then((composed) => isUnchanged(composed, before, channel.current?.inRelease ?? null, draft))
  const checked = once(async () =>
    checkDraft(deps, channel, { before: before?.plan ?? null, draft, composed: await composing }),
  )
  const admitted = isSame.then((same) => (same || deps.verdicts === 'off' ? null : checked()))
  admitted.catch(() => {}) // reported where it is awaited
  // Hashes in worker threads while the release is composed; copies nothing before it is known to hold.
  const taking = takeIn(deps.pool, draft.artifacts, deps.verdicts === 'refuse' ? admitted : composing, onProgress)
  const roots = taking.then(async ({ kept }) => {
    const composed = await composing
    return newRoots(deps.pool, channel.history, before, composed, kept)
  })
  roots.catch(() => {}) // reported where they are awaited
  const counts = taking.then(({ kept, passedOver }) => ({ artifacts: kept.length, passedOver }))
  counts.catch(() => {}) // the same
  const composed = await composing
  if (deps.verdicts === 'refuse') await admitted
  return {
    composed,
    roots,
    counts,
    isNews: async () => !(await isSame) || !isEmpty(await roots),
    async served() {
      const known = await roots
      await storeIndexes(deps.files, draft, composed)
      const checks = await checked()
      return checks === null ? known : { ...known, verdicts: verdictsOf(checks) }
    },
  }
}

/** Where broken releases are not refused, one that cannot be checked can be published all the same. */
async function checkDraft(
  { checker, verdicts, warn }: PublishDeps,
  channel: Channel,
  to: DraftToCheck,
): Promise<readonly ArchitectureCheck[] | null> {
  if (verdicts === 'off') return null
  try {
    const { before, release } = await draftCheck(channel, to)
    const checks = await checker.check(before, release, verdicts === 'refuse' ? 'became' : 'none')
    if (verdicts === 'refuse') refuseBroken(channel.name, checks)
    return checks
  } catch (error) {
    if (verdicts === 'refuse') throw error
    const { code, message } = asFreshetError(error)
    warn(`what can be installed from ${channel.name} was not checked: ${code}: ${message}`)
    return null
  }
}

async function storeIndexes(files: IndexFiles, draft: ReleaseDraft, { release }: ComposedRelease): Promise<void> {
  for (const [i, { texts }] of draftIndexes(draft).entries()) {
    const digest = digestHex((release.indexes[i] as Release['indexes'][number]).digest)
    if (files.held(digest) === null) await files.store(digest, ...texts)
  }
}

interface TakenFiles {
  readonly kept: readonly TakenIn[]
  /** Files that differ from what the index says and need not have been right. */
  readonly passedOver: number
}

/** A publisher that appends to an older state than the world has seen contradicts itself for ever. */
export async function requireCaughtUp(
  { heads, catchUp }: Pick<PublishDeps, 'heads' | 'catchUp'>,
  channel: Channel,
): Promise<void> {
  if (!channel.log.writable) {
    throw new FreshetError('CHANNEL_READ_ONLY', `${channel.name} was made on another machine`, {
      channel: channel.name,
    })
  }
  await catchUp(channel)
  const record = heads.newest(channel.key)
  const { length, core } = channel.log
  if (record === null) return
  const behind = length < record.length
  if (!behind && core.fork === record.fork && (await core.treeHash(record.length)).equals(record.treeHash)) return
  const what = behind
    ? `has ${length} blocks, its durable record says ${record.length}`
    : 'differs from its durable record'
  throw new FreshetError('PUBLISH_BEHIND', `the log of ${channel.name} ${what}`, { length, recorded: record.length })
}

async function readBefore(channel: Channel): Promise<ReleaseBefore | null> {
  const newest = channel.history.newest
  if (newest === null) return null
  const snapshot = channel.current?.release.number === newest.number ? channel.current : null
  if (snapshot === null) await channel.prepare()
  const files = new Map(channel.current?.indexes.map(({ path, filePath }) => [path, filePath]))
  return {
    plan: await channel.history.plan(newest.number),
    stanzas: (path) => {
      const file = files.get(path)
      if (file === undefined) throw new FreshetError('INTERNAL', `release ${newest.number} has no file of ${path}`)
      return readStanzas(file)
    },
    contents: await channel.history.contents(),
  }
}

async function takeIn(
  pool: Pool,
  artifacts: readonly LocalArtifact[],
  admitted: Promise<unknown>,
  onProgress: (progress: PublishProgress) => void,
): Promise<TakenFiles> {
  const kept: TakenIn[] = []
  const report = (done: number): void => onProgress({ phase: 'files', done, total: artifacts.length })
  const inPlace = artifacts.filter(({ copy }) => !copy)
  const { adopted, refused } = await pool.adopt(inPlace, ({ filesDone }) => report(filesDone))
  kept.push(...adopted)
  await admitted
  for (const artifact of artifacts) {
    if (!artifact.copy) continue
    kept.push(await pool.ingest(artifact.sourcePath, artifact))
    report(kept.length)
  }
  return { kept, passedOver: refused.length }
}

function isEmpty({ roots, lateRoots }: NewRoots): boolean {
  return roots.length === 0 && lateRoots.length === 0
}

/** What `run` comes to, which happens once, when first asked for. */
function once<Result>(run: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | null = null
  return () => (running ??= run())
}
