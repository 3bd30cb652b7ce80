/** The share of the followers who get a release of an own channel first: said with the release, so that nobody sees one without the other. */
import { FreshetError } from '../../schemas/errors.ts'
import { encodeEvent } from '../../schemas/events.ts'
import { ROLLOUTS_MAX } from '../../schemas/limits.ts'
import { SHARE_WHOLE } from '../../schemas/rollout.ts'
import type { ComposedRelease } from '../../store/compose-release.ts'
import type { Channel } from '../channel.ts'
import { hasNoteRoom } from './append-note.ts'

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
  if (number === 1) throw rolloutRefused(channel, number, 'is the first: there is none before it to stay on')
  await requireRolloutRoom(channel)
  const state = { number, share, halted: null }
  return [encodeEvent({ type: 'rollout', atMs, releaseBlock: base + blocks.length, noteBlock, ...state })]
}

/** @throws FreshetError ROLLOUTS_FULL where no more can be held back, or said. */
export async function requireRolloutRoom(channel: Channel): Promise<void> {
  const { size } = await channel.history.rollouts()
  if (size < ROLLOUTS_MAX && (await hasNoteRoom(channel))) return
  throw new FreshetError('ROLLOUTS_FULL', `${channel.name} holds back ${size} releases`, { rollouts: size })
}

export function rolloutRefused({ name }: Channel, release: number, what: string): FreshetError {
  return new FreshetError('ROLLOUT_REFUSED', `release #${release} of ${name} ${what}`, { release })
}
