/** The upstream release that a fork is to stand on, rebuilt. */
import { FreshetError } from '../../schemas/errors.ts'
import type { When } from '../../schemas/when.ts'
import type { SnapshotPlan } from '../../store/release-block.ts'
import { readUpstream } from '../../store/upstream-indexes.ts'
import type { UpstreamIndex } from '../../store/upstream-indexes.ts'
import type { Channel } from '../channel.ts'
import type { ForkState } from './fork-state.ts'

export interface PlannedFork {
  readonly base: SnapshotPlan
  readonly indexes: readonly UpstreamIndex[]
}

/**
 * @param when null: where the fork stands.
 * @throws FreshetError CURATION_REFUSED when it is older than that; UPSTREAM_MISMATCH, RELEASE_UNKNOWN, NO_PEERS.
 */
export async function planFork(fork: Channel, { upstream, base }: ForkState, when: When | null): Promise<PlannedFork> {
  const { history, log } = upstream
  await history.planOf(base) // or upstream is another one by now
  if (when !== null) await history.advance()
  const { number } = when === null ? base : await history.resolve(when)
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
