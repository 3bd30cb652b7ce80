/**
 * Port `prepareSnapshot`: makes the newest release of a channel ready, and says how it ended.
 *
 * What may pass by itself (no peer has the blocks yet, the disk is full) is tried again with growing pauses while the state
 * lasts; what a publisher did wrong is recorded as refused, and only a newer head changes that.
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
      if (!signal.aborted) await record(readyFact(channel, length, ready, now()))
      return
    } catch (error) {
      if (signal.aborted) return
      const failure = asFreshetError(error)
      onTrouble(channel, failure)
      if (REFUSALS.has(failure.code)) {
        await record({ type: 'release.refused', key, length, code: failure.code, atMs: now() })
        return
      }
      await pause(pauseMs, undefined, { signal }).catch(() => {}) // aborted: the loop condition sees it
    }
  }
}

function readyFact({ key }: Channel, length: number, ready: ReleaseSummary | null, atMs: number): Fact {
  return { type: 'release.ready', key, length, number: ready?.number ?? 0, block: ready?.block ?? 0, atMs }
}
