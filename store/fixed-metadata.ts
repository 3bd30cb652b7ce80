/**
 * The metadata document as the notes of a release log fix it: who writes it, and what is in it.
 *
 * Reads the state that the log has and the few changes after it, and holds what comes out against the note: the number of
 * changes of each maintainer, the tips that stand for all of them, and the SHA-256 of the state.
 */
import { expectEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { METADATA_STATE_BYTES_MAX } from '../schemas/limits.ts'
import type { Metadata } from '../schemas/metadata-events.ts'
import { EMPTY_STATE, MetadataFold } from '../schemas/metadata-fold.ts'
import type { Maintainer, MetadataState } from '../schemas/metadata-fold.ts'
import { decodeState, encodeState, stateDigest } from '../schemas/metadata-state.ts'
import { digestHex, keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { unpack } from './brotli.ts'
import type { MaintainerLog } from './maintainer-log.ts'
import type { MetadataBlocks } from './notes.ts'
import { linkError } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

/** The log of a maintainer, opened when it is needed. */
export type LogOf = (key: KeyHex) => Promise<MaintainerLog>

/** @param block 0: nobody was ever named. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readMaintainers(log: ReleaseLog, block: number, options: ReadOptions): Promise<Maintainer[]> {
  if (block === 0) return []
  const { maintainers } = expectEvent('maintainers', await log.event(block, options), block)
  const read = maintainers.map(({ key, name, lastChange }) => ({ key: keyHex(key), name, lastChange }))
  if (new Set(read.map(({ key }) => key)).size === read.length) return read
  throw linkError(block, 'two maintainers have one key')
}

/** @param block 0: there is no metadata yet. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readMetadata(log: ReleaseLog, block: number, options: ReadOptions): Promise<Metadata | null> {
  if (block === 0) return null
  const metadata = expectEvent('metadata', await log.event(block, options), block)
  if (metadata.stateBlock < block) return metadata
  throw linkError(block, 'the state of the metadata stands after it')
}

/** @param block 0: the empty one. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readState(log: ReleaseLog, block: number, options: ReadOptions): Promise<MetadataState> {
  if (block === 0) return EMPTY_STATE
  const { byteLength, compressed } = expectEvent('metadataState', await log.event(block, options), block)
  return decodeState(await unpack({ block, byteLengthMax: METADATA_STATE_BYTES_MAX }, compressed, byteLength))
}

/**
 * The document at the note `blocks.metadataBlock`.
 * @throws FreshetError METADATA_MISMATCH, EVENT_INVALID, NO_PEERS.
 */
export async function foldFixed(
  log: ReleaseLog,
  blocks: MetadataBlocks,
  logOf: LogOf,
  options: ReadOptions,
): Promise<MetadataFold> {
  const maintainers = await readMaintainers(log, blocks.maintainersBlock, options)
  const metadata = await readMetadata(log, blocks.metadataBlock, options)
  const fold = new MetadataFold(maintainers, await readState(log, metadata?.stateBlock ?? 0, options))
  if (metadata === null) return fold
  for (const { key, changes } of metadata.counts) {
    await foldChanges(fold, await logOf(keyHex(key)), changes, options)
  }
  await learnPast(fold, logOf, options)
  requireFixed(fold, metadata, blocks.metadataBlock)
  return fold
}

/** Takes up changes of one maintainer until they have `last`. */
export async function foldChanges(
  fold: MetadataFold,
  log: MaintainerLog,
  last: number,
  options: ReadOptions,
): Promise<void> {
  for (let seq = fold.countOf(log.key) + 1; seq <= last; seq++) fold.add(log.key, await log.change(seq, options))
}

/** Changes before the state that new ones follow: somebody wrote who had not heard of anybody for long. */
export async function learnPast(fold: MetadataFold, logOf: LogOf, options: ReadOptions): Promise<void> {
  for (let unknown = fold.unknown; unknown.length > 0; unknown = fold.unknown) {
    for (const place of unknown) fold.learn(place, await (await logOf(place.key)).change(place.seq, options))
  }
}

/** @throws FreshetError METADATA_MISMATCH unless `fold` is what the note says. */
export function requireFixed(fold: MetadataFold, { counts, tips, digest }: Metadata, block: number): void {
  const { state } = fold
  const isWhole =
    state.heads.length === counts.length && counts.every(({ key, changes }) => fold.countOf(keyHex(key)) === changes)
  const isSame =
    isWhole &&
    state.tips.join() === tips.map((tip) => digestHex(tip)).join() &&
    stateDigest(encodeState(state)) === digestHex(digest)
  if (isSame) return
  throw new FreshetError('METADATA_MISMATCH', `the metadata of block ${block} comes out otherwise`, { block })
}
