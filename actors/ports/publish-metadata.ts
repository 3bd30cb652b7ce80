/**
 * Fixes the metadata document of an own channel as it is by now: a note in the log, before the next release or at once.
 *
 * Takes the changes that are here and count. A state is written along where readers would otherwise fetch more changes than it
 * is worth; in the long run it adds about as much to the log as the changes have themselves.
 */
import { levelOf } from '../../schemas/chain-position.ts'
import { encodeEvent } from '../../schemas/events.ts'
import type { UpstreamRelease } from '../../schemas/events.ts'
import { FreshetError } from '../../schemas/errors.ts'
import {
  MAINTAINERS_MAX,
  METADATA_STATE_AFTER_CHANGES,
  METADATA_STATE_BYTES_MAX,
  METADATA_STATE_REGISTERS_PER_CHANGE,
} from '../../schemas/limits.ts'
import type { MetadataState } from '../../schemas/metadata-fold.ts'
import { encodeState, stateDigest } from '../../schemas/metadata-state.ts'
import { keyHex } from '../../schemas/units.ts'
import { pack } from '../../store/brotli.ts'
import { readMetadata, readState, upstreamBlockAt } from '../../store/fixed-metadata.ts'
import type { FixedDocument } from '../../store/fixed-metadata.ts'
import type { Channel } from '../channel.ts'
import { unlessNoteFails } from '../unless-note-fails.ts'
import { appendNote, hasNoteRoom, readyForNote } from './append-note.ts'
import type { NoteDeps } from './append-note.ts'

export interface PublishedMetadata {
  /** Changes that the log fixes now, and those of them that it did not before. */
  readonly changes: number
  readonly fresh: number
  readonly registers: number
}

/**
 * @param upstream of a fork: take over the document of its upstream as of this release; null: only what was taken over before.
 * @throws FreshetError METADATA_FULL, NO_RELEASE, CHANNEL_READ_ONLY, QUORUM_NEEDED, PUBLISH_BEHIND, UPSTREAM_MISMATCH, NO_PEERS.
 */
export async function publishMetadata(
  deps: NoteDeps,
  channel: Channel,
  upstream: UpstreamRelease | null = null,
): Promise<PublishedMetadata> {
  await readyForNote(deps, channel)
  const before = await channel.metadata.fixed(null)
  const upstreamBlock = await takenOver(channel, before, upstream)
  const { state } = (await channel.metadata.whole('listed', upstreamBlock || null)).fold
  const [changes, fixed] = [countOf(state), (before.note?.counts ?? []).reduce((sum, count) => sum + count.changes, 0)]
  const result = { changes, fresh: changes - fixed, registers: state.registers.size }
  if (result.fresh === 0) return result
  if (state.heads.length > MAINTAINERS_MAX) {
    throw new FreshetError('METADATA_FULL', `the document would be of ${state.heads.length} maintainers`)
  }
  if (!(await hasNoteRoom(channel))) {
    throw new FreshetError('METADATA_FULL', `${channel.name} has too many notes since its last chapter`)
  }
  const encoded = encodeState(state)
  const nearest = await nearestState(channel, before, upstreamBlock, state)
  const states = nearest.missing >= worthOf(state) ? [await packState(encoded)] : []
  await appendNote(
    deps,
    channel,
    {
      type: 'metadata',
      counts: state.heads.map(({ key, seq }) => ({ key: Buffer.from(key, 'hex'), changes: seq })),
      tips: state.tips.map((tip) => Buffer.from(tip, 'hex')),
      digest: Buffer.from(stateDigest(encoded), 'hex'),
      stateBlock: states.length > 0 ? channel.log.length : nearest.block,
      upstreamBlock,
    },
    states,
  )
  return result
}

/** Position of the `metadata` of an upstream that the next note names: never one that has less than the newest note has. */
async function takenOver(
  { log, history }: Channel,
  { block, note, inherited }: FixedDocument,
  upstream: UpstreamRelease | null,
): Promise<number> {
  const known = levelOf(block) > 0 ? block : (note?.upstreamBlock ?? 0)
  const next = upstream === null ? 0 : await upstreamBlockAt(log, history, upstream)
  const counts = new Map((await readMetadata(log, next, {}))?.counts.map(({ key, changes }) => [keyHex(key), changes]))
  const isAhead = inherited.every(({ key, lastChange }) => (counts.get(key) ?? -1) >= (lastChange ?? 0))
  return next > 0 && isAhead ? next : known
}

/** Of the states that this log or an upstream's has of the document, the one that lacks least. */
async function nearestState(
  { log }: Channel,
  { note }: FixedDocument,
  upstreamBlock: number,
  state: MetadataState,
): Promise<{ readonly block: number; readonly missing: number }> {
  const theirs = await readMetadata(log, upstreamBlock, {})
  const blocks = new Set([note?.stateBlock ?? 0, theirs?.stateBlock ?? 0])
  const known = [...blocks].map(async (block) => {
    return { block, missing: countOf(state) - countOf(await readState(log, block, {})) }
  })
  return (await Promise.all(known)).reduce((a, b) => (b.missing < a.missing ? b : a))
}

/** How many changes make a new state worth its bytes. */
function worthOf({ registers }: MetadataState): number {
  return Math.max(METADATA_STATE_AFTER_CHANGES, registers.size / METADATA_STATE_REGISTERS_PER_CHANGE)
}

async function packState(encoded: Buffer): Promise<Buffer> {
  if (encoded.byteLength > METADATA_STATE_BYTES_MAX) {
    throw new FreshetError('METADATA_FULL', `the state of the document has ${encoded.byteLength} bytes`)
  }
  return encodeEvent({ type: 'metadataState', byteLength: encoded.byteLength, compressed: await pack(encoded) })
}

function countOf({ heads }: MetadataState): number {
  return heads.reduce((sum, { seq }) => sum + seq, 0)
}

/**
 * Before a release: whatever keeps the document from being fixed does not keep the release. A fork that never said anything of its own
 * says nothing here either: its document is that of the upstream release it stands on.
 */
export async function fixBeforeRelease(
  deps: NoteDeps,
  channel: Channel,
  upstream: UpstreamRelease | null = null,
): Promise<void> {
  if (channel.history.newest === null) return
  const { maintainersBlock, metadataBlock } = await channel.history.metadataBlocks()
  if (maintainersBlock + metadataBlock === 0) return
  await unlessNoteFails(publishMetadata(deps, channel, upstream))
}
