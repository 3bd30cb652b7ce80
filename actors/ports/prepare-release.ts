/**
 * Prepares one release of a channel that several people sign: composes the draft and writes down what they are to sign.
 *
 * Nothing is appended. The record is durable before the request is handed out, and the same content gives the same request
 * again: signatures that were collected stay good. Other content needs `replace`, because it makes them worthless.
 */
import { expectEvent, decodeEvent } from '../../schemas/events.ts'
import type { Release } from '../../schemas/events.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { IN_RELEASE_BYTES_MAX } from '../../schemas/limits.ts'
import type { ReleaseDraft } from '../../schemas/release-draft.ts'
import { SHARE_WHOLE } from '../../schemas/rollout.ts'
import type { PreparedRecord, SigningRequest } from '../../schemas/signing.ts'
import { unpack } from '../../store/brotli.ts'
import type { ComposedRelease } from '../../store/compose-release.ts'
import type { PreparedReleases } from '../../store/prepared-releases.ts'
import type { QuorumLog } from '../../store/quorum-log.ts'
import type { NewRoots } from '../../store/release-log.ts'
import type { Channel } from '../channel.ts'
import { composeDraft } from './compose-draft.ts'
import type { DraftCounts, PublishDeps, PublishProgress } from './compose-draft.ts'
import { rolloutBlocks } from './first-share.ts'

export interface PrepareDeps extends PublishDeps {
  readonly prepared: PreparedReleases
}

export interface PrepareResult extends DraftCounts {
  /** Number that the release will have; of the newest one when there was nothing new. */
  readonly release: number
  readonly added: number
  readonly removed: number
  readonly bytes: number
  /** As the release block says it; null: nobody looked, or there was nothing new. */
  readonly verdicts: Release['verdicts']
  /** What signers are to get; null: nothing new, nothing to sign. */
  readonly request: SigningRequest | null
}

export async function prepareRelease(
  deps: PrepareDeps,
  channel: Channel,
  draft: ReleaseDraft,
  { replace, share }: { readonly replace: boolean; readonly share: number },
  onProgress: (progress: PublishProgress) => void,
): Promise<PrepareResult> {
  const log = requireQuorum(channel)
  const { composed, roots, counts, isNews, served } = await composeDraft(deps, channel, draft, onProgress)
  const { release, added, removed, byteLength } = composed
  if (!(await isNews())) {
    const none = { added: 0, removed: 0, bytes: 0, verdicts: null, request: null }
    return { release: release.number - 1, ...none, ...(await counts) }
  }
  const known = await openRecord(deps.prepared, channel, replace)
  const after = await rolloutBlocks(channel, composed, share, deps.now())
  const keep = known !== null && (await isSame(known.request, draft, composed, await roots, share))
  if (known !== null && !keep && !replace) throw isPrepared(channel)
  const record = keep ? known : await log.prepare(composed, served(), after)
  if (!keep) await deps.prepared.write(channel.key, record)
  const { request } = record
  const verdicts = releaseOf(request)?.verdicts ?? null
  return { release: release.number, added, removed, bytes: byteLength, verdicts, request, ...(await counts) }
}

/** @throws FreshetError USAGE for a channel that this node signs alone, CHANNEL_READ_ONLY. */
export function requireQuorum({ name, log }: Channel): QuorumLog {
  if (log.quorum !== null) return log.quorum
  if (log.writable) throw new FreshetError('USAGE', `${name} has one signer, this node: nobody else is to be asked`)
  throw new FreshetError('CHANNEL_READ_ONLY', `${name} was made on another machine`, { channel: name })
}

/** What waits for signatures and could still be committed; what the log has left behind is as good as gone. */
export async function openRecord(
  prepared: PreparedReleases,
  channel: Channel,
  replace: boolean,
): Promise<PreparedRecord | null> {
  const known = replace ? null : await prepared.read(channel.key)
  return known !== null && known.request.base.length === channel.log.length ? known : null
}

export function isPrepared({ name }: Channel): FreshetError {
  return new FreshetError('RELEASE_PREPARED', `something else is prepared for ${name} and waits for signatures`)
}

/** A Release file that this publisher signs itself differs by its date every time; it is then not looked at. */
async function isSame(
  { base, blocks }: SigningRequest,
  draft: ReleaseDraft,
  { release }: ComposedRelease,
  roots: NewRoots,
  share: number,
): Promise<boolean> {
  const events = blocks.slice(-2).map(decodeEvent)
  const said = events.at(-1)?.type === 'rollout' ? events.at(-1) : null
  if ((said?.type === 'rollout' ? said.share : SHARE_WHOLE) !== share) return false
  const last = releaseOf({ blocks })
  if (last === null || contentOf(last) !== contentOf({ ...last, ...release, ...roots })) return false
  if (draft.ownRelease) return true
  const block = last.signedIndexBlock
  const signed = expectEvent('signedIndex', decodeEvent(blocks[block - base.length] ?? Buffer.alloc(0)), block)
  const inRelease = await unpack({ block, byteLengthMax: IN_RELEASE_BYTES_MAX }, signed.compressed, signed.byteLength)
  return inRelease.equals(draft.inRelease)
}

/** The release of a request, which a note about it may follow; null: it has none. */
function releaseOf({ blocks }: Pick<SigningRequest, 'blocks'>): Release | null {
  const release = blocks
    .slice(-2)
    .map(decodeEvent)
    .findLast((event) => event?.type === 'release')
  return release?.type === 'release' ? release : null
}

/** What followers get to see of a release. Roots come in the order in which files were hashed. */
function contentOf({ suite, indexes, roots, lateRoots }: Release): string {
  const rootsOf = (list: Release['roots']): string[] =>
    list.map(({ digest, piecesRoot }) => `${digest.toString('hex')} ${piecesRoot.toString('hex')}`).sort()
  const files = indexes.map(({ path, digest }) => `${path} ${digest.toString('hex')}`)
  return JSON.stringify([suite, files, rootsOf(roots), rootsOf(lateRoots)])
}
