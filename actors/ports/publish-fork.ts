/** Publishes the next release of a fork of this node, as publish-release.ts does for any other channel. */
import type { Session } from '../session.ts'
import type { Channel } from '../channel.ts'
import type { PublishDeps, PublishProgress } from './compose-draft.ts'
import { composeFork } from './compose-fork.ts'
import type { ComposedFork, ForkOrder } from './compose-fork.ts'
import { fixBeforeRelease } from './publish-metadata.ts'
import { publishRelease } from './publish-release.ts'
import type { PublishResult } from './publish-release.ts'

export interface PublishedFork extends ComposedFork {
  /** Null: the fork said all of it before, and nothing was appended. */
  readonly published: PublishResult | null
}

/** Resolves when this node's gateway serves it. @throws as composeFork and publishRelease. */
export async function publishFork(
  session: Session,
  fork: Channel,
  deps: PublishDeps,
  order: ForkOrder,
  onProgress: (progress: PublishProgress) => void,
): Promise<PublishedFork> {
  const composed = await composeFork(fork, order)
  if (!composed.isNews) return { ...composed, published: null }
  await fixBeforeRelease(deps, fork, composed.draft.basis?.upstream ?? null)
  const published = await publishRelease(quickAtFirst(deps, fork), fork, composed.draft, onProgress)
  await session.settled(fork, published.release)
  session.requireRunning(fork) // or the release is one that nobody will take
  return { ...composed, published }
}

/** A fork is made in less time than it takes to check a suite: its first release says nothing of that unless it is to be refused. */
function quickAtFirst(deps: PublishDeps, { history }: Channel): PublishDeps {
  return history.newest === null && deps.verdicts === 'on' ? { ...deps, verdicts: 'off' } : deps
}
