/** The upstream release that a fork is to stand on, rebuilt. */
import { FreshetError } from '../../schemas/errors.ts'
import { isPartial } from '../../schemas/rollout.ts'
import type { When } from '../../schemas/when.ts'
import type { SnapshotPlan } from '../../store/release-block.ts'
import { readUpstream } from '../../store/upstream-indexes.ts'
import type { UpstreamIndex } from '../../store/upstream-indexes.ts'
import type { Channel } from '../channel.ts'
import { offeredRelease } from '../rollout-policy.ts'
import type { ForkState } from './fork-state.ts'

export interface PlannedFork {
  readonly base: SnapshotPlan
  readonly indexes: readonly UpstreamIndex[]
}

/**
 * Without a word, the newest release that upstream offers to everybody: what is only tried out there must not reach all followers of a fork.
 * @param from a release to go on from; 0: none. @throws FreshetError NO_PEERS.
 */
export async function forEverybody({ history }: Channel, when: When, from: number): Promise<When> {
  if (when.kind !== 'newest') return when
  const newest = history.newest?.number ?? 0
  const number = offeredRelease(newest, from, await history.rollouts(), (state) => !isPartial(state))
  return number === 0 ? when : { kind: 'number', number }
}

/**
 * @param when null: where the fork stands.
 * @throws FreshetError CURATION_REFUSED when it is older than that; UPSTREAM_MISMATCH, RELEASE_UNKNOWN, NO_PEERS.
 */
export async function planFork(fork: Channel, { upstream, base }: ForkState, when: When | null): Promise<PlannedFork> {
  const { history, log } = upstream
  await history.planOf(base) // or upstream is another one by now
  if (when !== null) await history.advance()
  const { number } = when === null ? base : await history.resolve(await forEverybody(upstream, when, base.number))
  if (number < base.number) {
    const message = `${fork.name} stands on release #${base.number} of ${upstream.name}, which is newer than #${number}`
    throw new FreshetError('CURATION_REFUSED', message, { base: base.number, id: log.id })
  }
  const snapshot = await upstream.openSnapshot({ kind: 'number', number })
  try {
    return { base: await history.plan(number), indexes: await readUpstream(snapshot) }
  } finally {
    await snapshot.close()
  }
}
