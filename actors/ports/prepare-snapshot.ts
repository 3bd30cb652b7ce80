/**
 * Port `prepareSnapshot`: makes the newest release of a channel ready, and says how it ended.
 *
 * What may pass by itself (no peer has the blocks yet, the disk is full) is tried again with growing pauses while the state
 * lasts; what a publisher did wrong is recorded as refused, and only a newer head changes that. What the next start is to find
 * on this disk is fetched after that.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { asFreshetError } from '../../schemas/errors.ts'
import type { ErrorCode, FreshetError } from '../../schemas/errors.ts'
import type { Fact } from '../../schemas/journal.ts'
import { RETRY_PAUSE_MS_MAX, RETRY_PAUSE_MS_MIN } from '../../schemas/limits.ts'
import type { ReleaseSummary } from '../../store/release-block.ts'
import type { Channel } from '../channel.ts'

/** The publisher's doing: the same blocks will never give anything else. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'EVENT_INVALID',
  'VERSION_UNSUPPORTED',
  'SNAPSHOT_MISMATCH',
  'MANIFEST_WEAK',
  'RELEASE_MALFORMED',
  'SIGNATURE_MISSING',
  'UPSTREAM_MISMATCH',
  'FORK_CYCLE',
])

export interface PrepareSnapshotDeps {
  readonly channel: Channel
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
  readonly onTrouble: (channel: Channel, error: FreshetError) => void
}

export async function prepareSnapshot(
  { channel, record, now, onTrouble }: PrepareSnapshotDeps,
  signal: AbortSignal,
): Promise<void> {
  const { key } = channel
  for (let pauseMs = RETRY_PAUSE_MS_MIN; !signal.aborted; pauseMs = Math.min(2 * pauseMs, RETRY_PAUSE_MS_MAX)) {
    const { length } = channel.log
    try {
      const ready = await channel.prepare()
      if (signal.aborted) return
      await record(readyFact(channel, length, ready, now()))
    } catch (error) {
      if (signal.aborted) return
      const failure = asFreshetError(error)
      onTrouble(channel, failure)
      if (REFUSALS.has(failure.code)) {
        await record({ type: 'release.refused', key, length, code: failure.code, atMs: now() })
        return
      }
      await pause(pauseMs, undefined, { signal }).catch(() => {}) // aborted: the loop condition sees it
      continue
    }
    return fetchAhead(channel, onTrouble)
  }
}

/** The release is ready without it, and the state is over: the next release does not wait for this. Trouble is reported. */
async function fetchAhead(channel: Channel, onTrouble: PrepareSnapshotDeps['onTrouble']): Promise<void> {
  try {
    await channel.history.fetchAhead()
  } catch (error) {
    const failure = asFreshetError(error)
    if (failure.code !== 'NO_PEERS') onTrouble(channel, failure) // else it is asked for with the next release
  }
}

function readyFact({ key }: Channel, length: number, ready: ReleaseSummary | null, atMs: number): Fact {
  return { type: 'release.ready', key, length, number: ready?.number ?? 0, block: ready?.block ?? 0, atMs }
}
