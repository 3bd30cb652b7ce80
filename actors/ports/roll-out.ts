/** Says to whom a release of an own channel is offered from now on: in a note that is signed like a release. */
import { requireReason } from '../../schemas/reason.ts'
import { isPartial, percentOf, SHARE_WHOLE } from '../../schemas/rollout.ts'
import type { RolloutState } from '../../schemas/rollout.ts'
import type { When } from '../../schemas/when.ts'
import type { Channel } from '../channel.ts'
import type { SigningRequest } from '../../schemas/signing.ts'
import { readyForNote } from './append-note.ts'
import { requireRolloutRoom, rolloutRefused } from './first-share.ts'
import type { PrepareDeps } from './prepare-release.ts'
import { sayNote } from './say-note.ts'

export type RolloutChange =
  | { readonly change: 'widen'; readonly share: number }
  | { readonly change: 'halt'; readonly reason: string }
  | { readonly change: 'resume' }

export interface ChangedRollout {
  readonly state: RolloutState
  /** What the signers are to get; null: this node signs alone, and it is said. */
  readonly request: SigningRequest | null
}

/**
 * @param replace whatever else is prepared for signers.
 * @returns what holds from now on.
 * @throws FreshetError USAGE, RELEASE_UNKNOWN, ROLLOUT_REFUSED, ROLLOUTS_FULL; NO_RELEASE, CHANNEL_READ_ONLY, PUBLISH_BEHIND,
 *   RELEASE_PREPARED.
 */
export async function changeRollout(
  deps: PrepareDeps,
  channel: Channel,
  when: When,
  change: RolloutChange,
  replace: boolean,
): Promise<ChangedRollout> {
  await readyForNote(deps, channel)
  const { number } = await channel.history.resolve(when)
  const rollouts = await channel.history.rollouts()
  const before = rollouts.get(number) ?? { number, share: SHARE_WHOLE, halted: null }
  const after = changed(channel, before, change)
  if (!isPartial(before)) await requireRolloutRoom(channel)
  return { state: after, request: await sayNote(deps, channel, { type: 'rollout', ...after }, replace) }
}

function changed(channel: Channel, before: RolloutState, change: RolloutChange): RolloutState {
  const { number, share, halted } = before
  if (change.change === 'halt') {
    if (halted !== null) throw rolloutRefused(channel, number, 'is halted already')
    return { number, share, halted: requireReason(change.reason) }
  }
  if (change.change === 'resume') {
    if (halted === null) throw rolloutRefused(channel, number, 'is not halted')
    return { number, share, halted: null }
  }
  if (halted !== null) throw rolloutRefused(channel, number, 'is halted: resume it first')
  if (change.share <= share) throw rolloutRefused(channel, number, `is offered to ${percentOf(share)} % already`)
  return { number, share: change.share, halted: null }
}
