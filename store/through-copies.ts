/** Chooses where the text of an index is read: where its stanzas came, or from copies that stand closer together. */
import { FreshetError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'
import { UNGATHERED_BLOCKS_MAX } from '../schemas/limits.ts'
import { StanzaCopies } from '../schemas/stanza-copies.ts'
import { readGatherings } from './gather-stanzas.ts'
import { blocksToRead, type FoundRun } from './placed-stanzas.ts'
import type { ReleaseLog } from './release-log.ts'

/** Copies are not to be had, or say something else than they should; whatever else fails is no fault of theirs. */
const FAULTS_OF_COPIES: ReadonlySet<ErrorCode> = new Set(['NO_PEERS', 'EVENT_INVALID', 'VERSION_UNSUPPORTED'])

/** Whether originals may still give what was read through copies. */
export function isFaultOfCopies(error: unknown): boolean {
  return error instanceof FreshetError && FAULTS_OF_COPIES.has(error.code)
}

/**
 * @param gatherings positions of those in use for the snapshot.
 * @returns the same stanzas as `runs`, from copies where fewer blocks must be fetched for that, or as many fetched and fewer
 * read. Trusts no copy: whoever puts a file together from this checks its SHA-256, and has `runs` to turn to.
 */
export async function throughCopies(
  log: ReleaseLog,
  gatherings: readonly number[],
  runs: readonly FoundRun[],
): Promise<readonly FoundRun[]> {
  const origins = blocksToRead(runs)
  if (gatherings.length === 0 || origins.size <= UNGATHERED_BLOCKS_MAX) return runs
  const missing = await log.missing(origins)
  if (missing.length === 0 && (await log.missing(gatherings)).length > 0) return runs // a follower since the beginning
  const through = await readThrough(log, gatherings, runs)
  if (through === null) return runs
  const sources = blocksToRead(through)
  const toFetch = (await log.missing(sources)).length
  const isBetter = toFetch < missing.length || (toFetch === missing.length && sources.size < origins.size)
  return isBetter ? through : runs
}

/** Null when the gatherings do not hold, or nobody gives them: they are a help, not a need. */
async function readThrough(
  log: ReleaseLog,
  gatherings: readonly number[],
  runs: readonly FoundRun[],
): Promise<readonly FoundRun[] | null> {
  try {
    return replaced(runs, new StanzaCopies(await readGatherings(log, gatherings)))
  } catch (error) {
    if (isFaultOfCopies(error)) return null
    throw error
  }
}

function replaced(runs: readonly FoundRun[], copies: StanzaCopies): readonly FoundRun[] {
  if (runs.every(({ index }) => index === undefined)) return copies.through(runs)
  return runs.flatMap((run) => (run.index === undefined ? copies.through([run]) : run))
}
