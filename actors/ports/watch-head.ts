/**
 * Port `watchHead`: a newer signed head of a channel's log is recorded, durably, before anything acts on it.
 *
 * Heads arrive by push: Hypercore takes over a longer signed length from any peer by itself (a rewrite is refused there).
 * `conflict` is Hypercore's word for two signed heads that contradict each other: verified evidence, so the channel stops.
 */
import { once } from 'node:events'
import type { ErrorCode } from '../../schemas/errors.ts'
import type { Fact } from '../../schemas/journal.ts'
import { digestHex } from '../../schemas/units.ts'
import type { HeadRecords } from '../../store/head-records.ts'
import type { Channel } from '../channel.ts'

export interface WatchHeadDeps {
  readonly channel: Channel
  readonly heads: HeadRecords
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
}

/** @param headLength blocks of the newest head that is recorded already. */
export async function watchHead(
  { channel, heads, record, now }: WatchHeadDeps,
  headLength: number,
  signal: AbortSignal,
): Promise<void> {
  const { core } = channel.log
  const { key } = channel
  const conflict = new AbortController()
  const onConflict = (): void => conflict.abort()
  const ended = AbortSignal.any([signal, conflict.signal])
  core.on('conflict', onConflict)
  try {
    if (!(await agreesWithRecord(channel, heads))) conflict.abort()
    let known = headLength
    while (!ended.aborted) {
      if (core.length > known) {
        const head = await channel.log.head()
        await heads.advance(key, { ...head, atMs: now() })
        await record({ type: 'head.accepted', key, ...head, treeHash: digestHex(head.treeHash), atMs: now() })
        known = head.length
      } else {
        await once(core, 'append', { signal: ended }).catch(() => {}) // aborted: the loop condition sees it
      }
    }
  } finally {
    core.off('conflict', onConflict)
  }
  const code: ErrorCode = 'HISTORY_REWRITE'
  if (!signal.aborted) await record({ type: 'channel.stopped', key, code, atMs: now() })
}

/** Whether the stored log still contains the newest head that was ever accepted. A shorter log is caught up from peers. */
async function agreesWithRecord({ key, log }: Channel, heads: HeadRecords): Promise<boolean> {
  const newest = heads.newest(key)
  if (newest === null || log.length < newest.length) return true
  if (log.core.fork !== newest.fork) return false
  return (await log.core.treeHash(newest.length)).equals(newest.treeHash)
}
