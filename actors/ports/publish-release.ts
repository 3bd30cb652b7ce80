/**
 * Appends one release to a channel that this node signs alone: compose the draft, append, remember the head.
 *
 * A function, not a machine: nothing of it survives a crash but the pool's files, and running the import again does the rest.
 * Order matters: the bytes are in the pool and the index files on disk before the release is announced, so the first follower
 * that asks is answered.
 */
import type { Release } from '../../schemas/events.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import { SHARE_WHOLE } from '../../schemas/rollout.ts'
import type { Channel } from '../channel.ts'
import { composeDraft } from './compose-draft.ts'
import type { DraftCounts, PublishDeps, PublishProgress } from './compose-draft.ts'
import { rolloutBlocks } from './first-share.ts'

export interface PublishResult extends DraftCounts {
  readonly release: number
  readonly added: number
  readonly removed: number
  /** What the release added to the log; 0 when there was nothing new and no release was made. */
  readonly bytes: number
  /** As the release block says it; null: nobody looked, or there was nothing new. */
  readonly verdicts: Release['verdicts']
}

/** @param share of the followers who are offered it first. */
export async function publishRelease(
  deps: PublishDeps,
  channel: Channel,
  draft: ReleaseDraft,
  onProgress: (progress: PublishProgress) => void,
  share: number = SHARE_WHOLE,
): Promise<PublishResult> {
  const { composed, counts, isNews, served } = await composeDraft(deps, channel, draft, onProgress)
  const { release, added, removed, byteLength } = composed
  if (!(await isNews())) {
    return { release: release.number - 1, added: 0, removed: 0, bytes: 0, verdicts: null, ...(await counts) }
  }
  const late = served()
  late.catch(() => {}) // reported where it is awaited
  const after = await rolloutBlocks(channel, composed, share, deps.now())
  const head = await channel.log.append(composed, late, after)
  await deps.heads.advance(channel.key, { ...head, atMs: deps.now() })
  const { verdicts = null } = await late
  return { release: release.number, added, removed, bytes: byteLength, verdicts, ...(await counts) }
}
