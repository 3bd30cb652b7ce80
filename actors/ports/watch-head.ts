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
import type { ConflictProof } from '../../store/conflict-evidence.ts'
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
  const onConflict = (_length: number, _fork: number, proof: ConflictProof): void => void gossip.conflicted(proof) // never rejects
  const onTruncate = (): void => void gossip.rewritten() // never rejects
  const ended = AbortSignal.any([signal, contradicted])
  core.on('conflict', onConflict)
  core.on('truncate', onTruncate)
  try {
    await gossip.checkOwn(heads.newest(key))
    let known = headLength
    while (!ended.aborted) {
      if (core.length > known) {
        const { length, fork, treeHash, signature } = channel.log.head()
        const atMs = now()
        await heads.advance(key, { length, fork, treeHash, signature, atMs })
        await record({ type: 'head.accepted', key, length, fork, treeHash: digestHex(treeHash), atMs })
        known = length
      } else {
        await once(core, 'append', { signal: ended }).catch(() => {}) // aborted: the loop condition sees it
      }
    }
  } finally {
    core.off('conflict', onConflict)
    core.off('truncate', onTruncate)
  }
  if (!signal.aborted) await record({ type: 'channel.stopped', key, code: contradicted.reason as Misdeed, atMs: now() })
}
