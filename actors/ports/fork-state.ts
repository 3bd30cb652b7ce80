/** What a fork of this node is at the moment: the release it stands on, what it changes, and where that is written. */
import { NO_CHANGES } from '../../schemas/curate.ts'
import type { ForkChanges } from '../../schemas/curate.ts'
import { FreshetError } from '../../schemas/errors.ts'
import type { UpstreamRelease } from '../../schemas/events.ts'
import type { CurationBefore } from '../../schemas/release-draft.ts'
import { ownPackages, readChanges, readCuration } from '../../store/curation.ts'
import { readRelease } from '../../store/release-block.ts'
import type { Channel } from '../channel.ts'

export interface ForkState {
  readonly upstream: Channel
  /** Its newest release; 0: none yet. */
  readonly releaseNumber: number
  /** Where it stands; of a fork without release, where it was made. */
  readonly base: UpstreamRelease
  readonly changes: ForkChanges
  readonly before: CurationBefore | null
}

/** @throws FreshetError NOT_A_FORK; EQUIVOCATION, HISTORY_REWRITE when an upstream was stopped; and what reading its log throws. */
export async function readForkState(fork: Channel): Promise<ForkState> {
  await fork.link()
  return linkedForkState(fork)
}

/** The same whatever became of upstream since the fork found it. */
export async function linkedForkState(fork: Channel): Promise<ForkState> {
  const { upstream } = fork
  const genesis = await fork.log.genesis()
  if (upstream === null || genesis.upstream === null) {
    throw new FreshetError('NOT_A_FORK', `${fork.name} is no fork`, { channel: fork.name })
  }
  await fork.history.advance()
  const { newest } = fork.history
  if (newest === null) return { upstream, releaseNumber: 0, base: genesis.upstream, changes: NO_CHANGES, before: null }
  const named = (await readRelease(fork.log, newest.block)).release.upstream
  if (named === null)
    throw new FreshetError('EVENT_INVALID', `release ${newest.number} of ${fork.name} names no upstream`)
  const block = named.curationBlock
  const stands = { upstream, releaseNumber: newest.number, base: named }
  if (block === 0) return { ...stands, changes: NO_CHANGES, before: null }
  const curation = await readCuration(fork.log, block)
  const changes = await readChanges(fork.log, curation)
  const { indexes } = await fork.history.plan(newest.number)
  return { ...stands, changes, before: { block, curation, packages: ownPackages(changes, indexes) } }
}
