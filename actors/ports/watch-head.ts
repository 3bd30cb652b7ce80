/**
 * Port `watchHead`: a newer signed head of a channel's log is recorded, durably, before anything acts on it.
 *
 * Heads arrive by push: Hypercore takes over a longer signed length from any peer by itself (a rewrite is refused there).
 * `conflict` is Hypercore's word for two signed heads that contradict each other: verified evidence, so the channel stops.
 */
import { once } from 'node:events'
import { FreshetError } from '../../schemas/errors.ts'
import type { Fact } from '../../schemas/journal.ts'
import { digestHex } from '../../schemas/units.ts'
import type { HeadRecords } from '../../store/head-records.ts'
import type { Channel } from '../channel.ts'
import type { FollowContext } from '../follow-channel.ts'

export interface WatchHeadDeps {
  readonly channel: Channel
  readonly heads: HeadRecords
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
}

export async function watchHead(
  { channel, heads, record, now }: WatchHeadDeps,
  input: FollowContext,
  signal: AbortSignal,
): Promise<void> {
  const { core } = channel.log
  const { key } = channel
  let stopped = false
  const stop = (error: FreshetError): void => {
    stopped = true
    void record({ type: 'channel.stopped', key, code: error.code, atMs: now() })
  }
  const onConflict = (): void => stop(new FreshetError('HISTORY_REWRITE', 'two signed heads contradict each other'))
  core.on('conflict', onConflict)
  signal.addEventListener('abort', () => core.off('conflict', onConflict), { once: true })
  if (!(await agreesWithRecord(channel, heads)))
    return stop(new FreshetError('HISTORY_REWRITE', 'the stored log changed'))
  let known = input.headLength
  while (!stopped && !signal.aborted) {
    if (core.length > known) {
      const head = await channel.log.head()
      await heads.advance(key, { ...head, atMs: now() })
      await record({ type: 'head.accepted', key, ...head, treeHash: digestHex(head.treeHash), atMs: now() })
      known = head.length
    } else {
      await once(core, 'append', { signal }).catch(() => {}) // aborted: the loop condition sees it
    }
  }
}

/** Whether the stored log still contains the newest head that was ever accepted. A shorter log is caught up from peers. */
async function agreesWithRecord({ key, log }: Channel, heads: HeadRecords): Promise<boolean> {
  const newest = heads.newest(key)
  if (newest === null || log.length < newest.length) return true
  if (log.core.fork !== newest.fork) return false
  return (await log.core.treeHash(newest.length)).equals(newest.treeHash)
}
