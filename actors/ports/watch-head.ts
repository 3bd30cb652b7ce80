/**
 * Port `watchHead`: a newer signed head of a channel's log is recorded, durably, before anything acts on it.
 *
 * Heads arrive by push: Hypercore takes over a longer signed length from any peer by itself (a rewrite is refused there).
 * The channel stops when its key was found to contradict itself, by whoever found it: peers' heads (head-gossip.ts), Hypercore's
 * `conflict` and `truncate`, or the record of the newest head.
 */
import { once } from 'node:events'
import type { Fact } from '../../schemas/journal.ts'
import { digestHex } from '../../schemas/units.ts'
import type { HeadRecords } from '../../store/head-records.ts'
import type { Misdeed } from '../../store/evidence.ts'
import type { Channel } from '../channel.ts'
import type { HeadGossip } from './head-gossip.ts'

export interface WatchHeadDeps {
  readonly channel: Channel
  readonly gossip: HeadGossip
  readonly heads: HeadRecords
  readonly record: (fact: Fact) => Promise<void>
  readonly now: () => number
}

/** @param headLength blocks of the newest head that is recorded already. */
export async function watchHead(
  { channel, gossip, heads, record, now }: WatchHeadDeps,
  headLength: number,
  signal: AbortSignal,
): Promise<void> {
  const { core } = channel.log
  const { key, contradicted } = channel
  const ended = AbortSignal.any([signal, contradicted])
  await gossip.checkOwn(heads.newest(key))
  let known = headLength
  while (!ended.aborted) {
    if (core.length > known && core.fork === 0) {
      const { length, fork, treeHash, signature } = channel.log.head()
      const atMs = now()
      await heads.advance(key, { length, fork, treeHash, signature, atMs })
      await record({ type: 'head.accepted', key, length, fork, treeHash: digestHex(treeHash), atMs })
      known = length
    } else {
      await once(core, 'append', { signal: ended }).catch(() => {}) // aborted: the loop condition sees it
    }
  }
  if (!signal.aborted) await record({ type: 'channel.stopped', key, code: contradicted.reason as Misdeed, atMs: now() })
}
