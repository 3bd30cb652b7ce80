/**
 * Appends what was prepared, once enough signers have signed it: check every signature, append, remember the head.
 *
 * Safe to repeat from any point: what is in the log already is not appended again, and when the record is gone the signatures
 * themselves say which head they are for.
 */
import { FreshetError } from '../../schemas/errors.ts'
import type { PreparedRecord } from '../../schemas/signing.ts'
import type { HeadRecords } from '../../store/head-records.ts'
import type { PreparedReleases } from '../../store/prepared-releases.ts'
import type { NamedSignature } from '../../store/quorum.ts'
import { contains } from '../../store/quorum-log.ts'
import type { Channel } from '../channel.ts'
import { requireCaughtUp } from './compose-draft.ts'
import { requireQuorum } from './prepare-release.ts'

export interface CommitDeps {
  readonly heads: HeadRecords
  readonly prepared: PreparedReleases
  readonly now: () => number
  /** As for publishing. */
  readonly catchUp: (channel: Channel) => Promise<void>
}

export interface CommitResult {
  /** Number of the newest release of the log. */
  readonly release: number
  /** Blocks of the log. */
  readonly length: number
  /** False: everything was there already. */
  readonly appended: boolean
}

/** @throws FreshetError SIGNATURE_WRONG, SIGNER_UNKNOWN, QUORUM_SHORT, REQUEST_STALE, PUBLISH_BEHIND. */
export async function commitRelease(
  deps: CommitDeps,
  channel: Channel,
  signatures: readonly NamedSignature[],
): Promise<CommitResult> {
  const { key, history } = channel
  const before = channel.log.length
  const record = await deps.prepared.read(key)
  const isOfOther = record === null || !isFor(record, signatures)
  if (!isOfOther || !(await areCommitted(channel, signatures))) {
    const log = requireQuorum(channel)
    if (record === null) throw stale(channel)
    await requireCaughtUp(deps, channel)
    await log.commit(record, signatures) // where they are for something else it says so
    await deps.heads.advance(key, { ...channel.log.head(), atMs: deps.now() })
    await deps.prepared.remove(key)
  }
  await history.advance()
  return { release: history.newest?.number ?? 0, length: channel.log.length, appended: channel.log.length > before }
}

function isFor({ request }: PreparedRecord, signatures: readonly NamedSignature[]): boolean {
  return signatures.some(({ file }) => file.target.treeHash.equals(request.target.treeHash))
}

/** Whether the log contains everything that these signatures are for: the command was run before. */
async function areCommitted({ log }: Channel, signatures: readonly NamedSignature[]): Promise<boolean> {
  for (const { file } of signatures) {
    const { length, treeHash } = file.target
    if (!file.key.equals(log.core.key) || !(await contains(log.core, length, treeHash))) return false
  }
  return signatures.length > 0
}

function stale({ name }: Channel): FreshetError {
  return new FreshetError('REQUEST_STALE', `nothing is prepared for ${name}`, { channel: name })
}
