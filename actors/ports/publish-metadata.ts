/**
 * Fixes the metadata document of an own channel as it is by now: a note in the log, before the next release or at once.
 *
 * Takes the changes that are here and count. A state is written along where readers would otherwise fetch more changes than it
 * is worth; in the long run it adds about as much to the log as the changes have themselves.
 */
import { encodeEvent } from '../../schemas/events.ts'
import { FreshetError } from '../../schemas/errors.ts'
import {
  METADATA_STATE_AFTER_CHANGES,
  METADATA_STATE_BYTES_MAX,
  METADATA_STATE_REGISTERS_PER_CHANGE,
} from '../../schemas/limits.ts'
import type { Metadata } from '../../schemas/metadata-events.ts'
import type { MetadataState } from '../../schemas/metadata-fold.ts'
import { encodeState, stateDigest } from '../../schemas/metadata-state.ts'
import { pack } from '../../store/brotli.ts'
import { readState } from '../../store/fixed-metadata.ts'
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

/** @throws FreshetError METADATA_FULL, NO_RELEASE, CHANNEL_READ_ONLY, QUORUM_NEEDED, PUBLISH_BEHIND, NO_PEERS. */
export async function publishMetadata(deps: NoteDeps, channel: Channel): Promise<PublishedMetadata> {
  await readyForNote(deps, channel)
  const before = await channel.metadata.newestNote()
  const { state } = (await channel.metadata.whole('listed')).fold
  const [changes, fixed] = [countOf(state), (before?.counts ?? []).reduce((sum, count) => sum + count.changes, 0)]
  const result = { changes, fresh: changes - fixed, registers: state.registers.size }
  if (result.fresh === 0) return result
  if (!(await hasNoteRoom(channel))) {
    throw new FreshetError('METADATA_FULL', `${channel.name} has too many notes since its last chapter`)
  }
  const encoded = encodeState(state)
  const states = (await isStateDue(channel, before, state)) ? [await packState(encoded)] : []
  await appendNote(
    deps,
    channel,
    {
      type: 'metadata',
      counts: state.heads.map(({ key, seq }) => ({ key: Buffer.from(key, 'hex'), changes: seq })),
      tips: state.tips.map((tip) => Buffer.from(tip, 'hex')),
      digest: Buffer.from(stateDigest(encoded), 'hex'),
      stateBlock: states.length > 0 ? channel.log.length : (before?.stateBlock ?? 0),
    },
    states,
  )
  return result
}

async function isStateDue({ log }: Channel, before: Metadata | null, state: MetadataState): Promise<boolean> {
  const known = await readState(log, before?.stateBlock ?? 0, {})
  const worth = Math.max(METADATA_STATE_AFTER_CHANGES, state.registers.size / METADATA_STATE_REGISTERS_PER_CHANGE)
  return countOf(state) - countOf(known) >= worth
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

/** Before a release: whatever keeps the document from being fixed does not keep the release. */
export async function fixBeforeRelease(deps: NoteDeps, channel: Channel): Promise<void> {
  if (channel.history.newest === null || (await channel.metadata.maintainers()).length === 0) return
  await unlessNoteFails(publishMetadata(deps, channel))
}
