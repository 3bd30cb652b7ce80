/**
 * Ends a channel's log by naming its successor, which other people sign: the last thing that the old signers do.
 *
 * Founds nothing by itself where several people sign: the successor's genesis waits in the prepared record, and both come to be
 * in one step. The successor keeps the name and the OpenPGP key, so followers' apt goes on as before.
 */
import { FreshetError } from '../../schemas/errors.ts'
import type { SignerSet, SigningRequest } from '../../schemas/signing.ts'
import { foundChannel, isSameSet, quorumOf } from '../../store/quorum.ts'
import type { Quorum } from '../../store/quorum.ts'
import type { Note } from '../../store/notes.ts'
import type { QuorumLog } from '../../store/quorum-log.ts'
import type { Channel } from '../channel.ts'
import { requireCaughtUp } from './compose-draft.ts'
import { isPrepared, openRecord } from './prepare-release.ts'
import type { PrepareDeps } from './prepare-release.ts'

export interface RotateResult {
  /** Key of the channel that this one passes to. */
  readonly successor: Buffer
  /** What the signers are to get; null: this node signs alone, and it is done. */
  readonly request: SigningRequest | null
}

/** @throws FreshetError CHANNEL_READ_ONLY, PUBLISH_BEHIND, ROTATION_INVALID when it has ended already, RELEASE_PREPARED. */
export async function rotateChannel(
  deps: PrepareDeps,
  channel: Channel,
  to: SignerSet,
  replace: boolean,
): Promise<RotateResult> {
  await requireCaughtUp(deps, channel)
  const { log, key } = channel
  if (log.quorum !== null) return prepareRotation(deps, channel, log.quorum, to, replace)
  const { base, note, next } = await lastWord(deps, channel, to)
  const head = await log.appendRotation(base, note, next)
  await deps.heads.advance(key, { ...head, atMs: deps.now() })
  return { successor: next.logKey, request: null }
}

async function prepareRotation(
  deps: PrepareDeps,
  channel: Channel,
  log: QuorumLog,
  to: SignerSet,
  replace: boolean,
): Promise<RotateResult> {
  const known = await openRecord(deps.prepared, channel, replace)
  if (known !== null) {
    const { request } = known
    if (request.successor === null || !isSameSet(request.successor, to)) throw isPrepared(channel)
    return { successor: quorumOf(request.successor).logKey, request }
  }
  const { base, note, next } = await lastWord(deps, channel, to)
  const record = await log.prepareNote(base, note, next)
  await deps.prepared.write(channel.key, record)
  return { successor: next.logKey, request: record.request }
}

/** The note, and the channel that it names. */
async function lastWord(
  { now }: PrepareDeps,
  { log }: Channel,
  to: SignerSet,
): Promise<{ base: number; note: Extract<Note, { type: 'rotate' }>; next: Quorum }> {
  const { length, treeHash } = log.head()
  const { name, kind, signingKey, upstream } = await log.genesis()
  if (upstream !== null) {
    throw new FreshetError('CURATION_REFUSED', `${name} is a fork, whose packages are in its own log: fork it instead`)
  }
  const predecessor = { key: log.core.key, length, treeHash }
  const next = foundChannel(to, { name, kind, signingKey, createdAtMs: now(), predecessor, upstream })
  const note = { type: 'rotate', atMs: now(), ...(await log.newest()), successor: next.logKey } as const
  return { base: length, note, next }
}
