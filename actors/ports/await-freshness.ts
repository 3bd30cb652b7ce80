/**
 * Ports `awaitFreeze` and `awaitThaw`: the clock of actors/watch-freshness.ts. Each waits for one thing and records it.
 *
 * Looks again at least once in a while: a timer does not run while a machine sleeps, and clocks are set.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Fact } from '../../schemas/journal.ts'
import { FRESHNESS_LOOK_MS_MAX } from '../../schemas/limits.ts'
import type { Channel } from '../channel.ts'
import { frozenSince } from '../frozen-since.ts'

export interface AwaitFreshnessDeps {
  readonly channel: Pick<Channel, 'key' | 'current'>
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
}

export async function awaitFreeze({ channel, record, now }: AwaitFreshnessDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const release = channel.current?.release ?? null
    const validUntilMs = frozenSince(release, now())
    if (release !== null && validUntilMs !== null) {
      return record({ type: 'channel.frozen', key: channel.key, number: release.number, validUntilMs, atMs: now() })
    }
    const leftMs = (release?.validUntilMs ?? Number.POSITIVE_INFINITY) + 1 - now()
    await rest(Math.min(leftMs, FRESHNESS_LOOK_MS_MAX), signal)
  }
}

export async function awaitThaw({ channel, record, now }: AwaitFreshnessDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const release = channel.current?.release ?? null
    if (release !== null && frozenSince(release, now()) === null) {
      return record({ type: 'channel.thawed', key: channel.key, number: release.number, atMs: now() })
    }
    await rest(FRESHNESS_LOOK_MS_MAX, signal)
  }
}

async function rest(pauseMs: number, signal: AbortSignal): Promise<void> {
  await pause(pauseMs, undefined, { signal }).catch(() => {}) // aborted: the loop condition sees it
}
