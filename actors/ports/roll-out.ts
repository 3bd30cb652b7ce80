/** Says to whom a release of an own channel is offered: with the release itself, or later in a note that is signed like one. */
import { FreshetError } from '../../schemas/errors.ts'
import { encodeEvent } from '../../schemas/events.ts'
import { ROLLOUTS_MAX } from '../../schemas/limits.ts'
import { requireReason } from '../../schemas/reason.ts'
import { isPartial, percentOf, SHARE_WHOLE } from '../../schemas/rollout.ts'
import type { RolloutState } from '../../schemas/rollout.ts'
import type { When } from '../../schemas/when.ts'
import type { ComposedRelease } from '../../store/compose-release.ts'
import type { Channel } from '../channel.ts'
import { appendNote, hasNoteRoom, readyForNote } from './append-note.ts'
import type { NoteDeps } from './append-note.ts'

export type RolloutChange =
  | { readonly change: 'widen'; readonly share: number }
  | { readonly change: 'halt'; readonly reason: string }
  | { readonly change: 'resume' }

/**
 * @returns what holds from now on.
 * @throws FreshetError USAGE, RELEASE_UNKNOWN, ROLLOUT_REFUSED, ROLLOUTS_FULL; NO_RELEASE, CHANNEL_READ_ONLY, QUORUM_NEEDED,
 *   PUBLISH_BEHIND.
 */
export async function changeRollout(
  deps: NoteDeps,
  channel: Channel,
  when: When,
  change: RolloutChange,
): Promise<RolloutState> {
  await readyForNote(deps, channel)
  const { number } = await channel.history.resolve(when)
  const rollouts = await channel.history.rollouts()
  const before = rollouts.get(number) ?? { number, share: SHARE_WHOLE, halted: null }
  const after = changed(channel, before, change)
  if (!isPartial(before)) await requireRoom(channel)
  await appendNote(deps, channel, { type: 'rollout', ...after })
  return after
}

/**
 * The note that comes with a release which a share of the followers gets first.
 * @throws FreshetError ROLLOUT_REFUSED for the first release, before which there is none to stay on; ROLLOUTS_FULL.
 */
export async function rolloutBlocks(
  channel: Channel,
  { base, blocks, release }: ComposedRelease,
  share: number,
  atMs: number,
): Promise<Buffer[]> {
  const { number, noteBlock } = release
  if (share === SHARE_WHOLE) return []
  if (number === 1) throw refused(channel, number, 'is the first: there is none before it to stay on')
  await requireRoom(channel)
  const state = { number, share, halted: null }
  return [encodeEvent({ type: 'rollout', atMs, releaseBlock: base + blocks.length, noteBlock, ...state })]
}

function changed(channel: Channel, before: RolloutState, change: RolloutChange): RolloutState {
  const { number, share, halted } = before
  if (change.change === 'halt') {
    if (halted !== null) throw refused(channel, number, 'is halted already')
    return { number, share, halted: requireReason(change.reason) }
  }
  if (change.change === 'resume') {
    if (halted === null) throw refused(channel, number, 'is not halted')
    return { number, share, halted: null }
  }
  if (halted !== null) throw refused(channel, number, 'is halted: resume it first')
  if (change.share <= share) throw refused(channel, number, `is offered to ${percentOf(share)} % already`)
  return { number, share: change.share, halted: null }
}

async function requireRoom(channel: Channel): Promise<void> {
  const { size } = await channel.history.rollouts()
  if (size < ROLLOUTS_MAX && (await hasNoteRoom(channel))) return
  throw new FreshetError('ROLLOUTS_FULL', `${channel.name} holds back ${size} releases`, { rollouts: size })
}

function refused({ name }: Channel, release: number, what: string): FreshetError {
  return new FreshetError('ROLLOUT_REFUSED', `release #${release} of ${name} ${what}`, { release })
}
