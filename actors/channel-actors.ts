/** The two machines of one channel, with their live ports: what its newest release is, and whether that is too old. */
import type { Actor, SnapshotFrom } from 'xstate'
import type { FreshetError } from '../schemas/errors.ts'
import type { Fact } from '../schemas/journal.ts'
import type { HeadRecords } from '../store/head-records.ts'
import type { Channel } from './channel.ts'
import { followChannel } from './follow-channel.ts'
import type { FollowContext } from './follow-channel.ts'
import { livePort } from './port.ts'
import { awaitFreeze, awaitThaw } from './ports/await-freshness.ts'
import type { HeadGossip } from './ports/head-gossip.ts'
import { prepareSnapshot } from './ports/prepare-snapshot.ts'
import { watchHead } from './ports/watch-head.ts'
import { resume } from './recover.ts'
import { watchFreshness } from './watch-freshness.ts'
import type { FreshnessContext } from './watch-freshness.ts'

export interface ChannelActorDeps {
  readonly channel: Channel
  readonly gossip: HeadGossip
  readonly heads: HeadRecords
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
  readonly onTrouble: (channel: Channel, error: FreshetError) => void
  /** A port threw what it should have recorded. */
  readonly onDefect: (error: unknown) => void
}

/** Where the journal left them. */
export interface ChannelStates {
  readonly state: SnapshotFrom<typeof followChannel>
  readonly freshness: SnapshotFrom<typeof watchFreshness>
}

export interface ChannelActors {
  readonly actor: Actor<typeof followChannel>
  readonly freshness: Actor<typeof watchFreshness>
}

/** A channel with its machines, and what its peers say of its heads. */
export interface RunningChannel extends ChannelActors {
  readonly channel: Channel
  readonly gossip: HeadGossip
}

/** Not started yet. */
export function channelActors(deps: ChannelActorDeps, states: ChannelStates): ChannelActors {
  const { channel, gossip, heads, record, now, onTrouble, onDefect } = deps
  const following = followChannel.provide({
    actors: {
      watchHead: livePort(
        // Not its input: a resumed port is given the context of when its state was entered, which was before any head.
        (_: FollowContext, signal) =>
          watchHead({ channel, gossip, heads, record, now }, states.state.context.headLength, signal),
        onDefect,
      ),
      prepareSnapshot: livePort(
        (_: FollowContext, signal) => prepareSnapshot({ channel, record, now, onTrouble }, signal),
        onDefect,
      ),
    },
  })
  const ageing = watchFreshness.provide({
    actors: {
      awaitFreeze: livePort((_: FreshnessContext, signal) => awaitFreeze({ channel, record, now }, signal), onDefect),
      awaitThaw: livePort((_: FreshnessContext, signal) => awaitThaw({ channel, record, now }, signal), onDefect),
    },
  })
  const input = { key: channel.key }
  const [actor, freshness] = [resume(following, input, states.state), resume(ageing, input, states.freshness)]
  actor.subscribe({ error: onDefect })
  freshness.subscribe({ error: onDefect })
  return { actor, freshness }
}
