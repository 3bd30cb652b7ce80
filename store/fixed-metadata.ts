/**
 * The metadata document as a release log fixes it: from the newest state that the log has, and the few changes after it.
 *
 * Nothing of the history before that state is needed. Whatever comes out otherwise than the log states is refused whole.
 * A fork's document has the changes of its upstream's maintainers too, as many as one `metadata` of upstream counts, read from their
 * own logs; until the fork has said something itself, its document is upstream's at the release that it stands on.
 */
import { levelOf, POSITION_STEP, seenFromFork } from '../schemas/chain-position.ts'
import { FreshetError } from '../schemas/errors.ts'
import { expectEvent } from '../schemas/events.ts'
import type { UpstreamRelease } from '../schemas/events.ts'
import { METADATA_STATE_BYTES_MAX } from '../schemas/limits.ts'
import type { Metadata } from '../schemas/metadata-events.ts'
import { EMPTY_STATE, MetadataFold } from '../schemas/metadata-fold.ts'
import type { Maintainer, MetadataState } from '../schemas/metadata-fold.ts'
import { decodeState, encodeState, stateDigest } from '../schemas/metadata-state.ts'
import { digestHex, keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'
import { unpack } from './brotli.ts'
import { locateBlock, untilReaches } from './chain-blocks.ts'
import type { History } from './history.ts'
import type { MaintainerLog } from './maintainer-log.ts'
import type { MetadataBlocks } from './notes.ts'
import { linkError, readRelease } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'
import { requireRelease } from './upstream-release.ts'

/** The log of a maintainer, opened when it is needed. */
export type LogOf = (key: KeyHex) => Promise<MaintainerLog>

/** A document as it is fixed, and who writes it. */
export interface FixedDocument {
  /** Position of the note, in a fork perhaps of an upstream's (schemas/chain-position.ts); 0: nothing was ever said. */
  readonly block: number
  /** Positions in it are as the log that was asked sees them. */
  readonly note: Metadata | null
  readonly maintainers: readonly Maintainer[]
  /** In a fork: those of its upstreams, without their names; so many of their changes are in it, and no others count. */
  readonly inherited: readonly Maintainer[]
}

/**
 * Where the document of a channel is fixed: by now, or for release `number`.
 * @throws FreshetError UPSTREAM_MISMATCH, EVENT_INVALID, NO_PEERS.
 */
export async function documentBlocks(
  log: ReleaseLog,
  history: History,
  number: number | null,
  options: ReadOptions,
): Promise<MetadataBlocks> {
  const own = await history.metadataBlocks(number, options)
  if (own.metadataBlock > 0 || log.upstream === null || history.upstream === null) return own
  const named = await standsOn(log, history, number, options)
  if (named === null) return own
  return { ...own, metadataBlock: await upstreamBlockAt(log, history, named, options) }
}

/** Where the document of a fork's upstream is fixed as of a release of that, as the fork sees it; 0: it never was. */
export async function upstreamBlockAt(
  { upstream: log }: ReleaseLog,
  { upstream: history }: History,
  named: UpstreamRelease,
  options: ReadOptions = {},
): Promise<number> {
  if (log === null || history === null) return 0
  await requireRelease(log, named, options)
  await history.advance(named.block, options)
  const { metadataBlock } = await documentBlocks(log, history, named.number, options)
  return metadataBlock === 0 ? 0 : seenFromFork(metadataBlock)
}

/** The upstream release that release `number` of a fork, or its newest one, stands on; without any, the one that it left. */
async function standsOn(
  log: ReleaseLog,
  history: History,
  number: number | null,
  options: ReadOptions,
): Promise<UpstreamRelease | null> {
  const release = number === null ? history.newest : await history.summary(number, options)
  if (release === null) return expectEvent('genesis', await log.event(0, options), 0).upstream
  return (await readRelease(log, release.block, options)).release.upstream
}

/** @throws FreshetError EVENT_INVALID, METADATA_MISMATCH, NO_PEERS. */
export async function readFixed(
  log: ReleaseLog,
  { maintainersBlock, metadataBlock: block }: MetadataBlocks,
  options: ReadOptions,
): Promise<FixedDocument> {
  const maintainers = await readMaintainers(log, maintainersBlock, options)
  const note = await readMetadata(log, block, options)
  if (levelOf(block) > 0) return { block, note, maintainers, inherited: inheritedFrom(note) }
  return { block, note, maintainers, inherited: await readInherited(log, note, block, options) }
}

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
  const located = locateBlock(log, block)
  if (located.log !== log) await untilReaches(located.log, located.block, options)
  const metadata = expectEvent('metadata', await log.event(block, options), block)
  const { stateBlock, upstreamBlock } = metadata
  if (levelOf(stateBlock) === 0 ? stateBlock >= located.block : upstreamBlock === 0) {
    throw linkError(block, 'the state of the metadata stands after it')
  }
  if (upstreamBlock > 0 && levelOf(upstreamBlock) === 0) throw linkError(block, 'it names itself as its upstream')
  const seen = (position: number): number => (position === 0 ? 0 : position + levelOf(block) * POSITION_STEP)
  return { ...metadata, stateBlock: seen(stateBlock), upstreamBlock: seen(upstreamBlock) }
}

/**
 * Whose changes a note of this log has from its upstream, and how many.
 * @throws FreshetError METADATA_MISMATCH unless it counts exactly those; EVENT_INVALID, NO_PEERS.
 */
export async function readInherited(
  log: ReleaseLog,
  note: Metadata | null,
  block: number,
  options: ReadOptions,
): Promise<Maintainer[]> {
  const inherited = inheritedFrom(await readMetadata(log, note?.upstreamBlock ?? 0, options))
  const counted = new Map(note?.counts.map(({ key, changes }) => [keyHex(key), changes]))
  if (inherited.every(({ key, lastChange }) => counted.get(key) === lastChange)) return inherited
  const message = `the metadata of block ${block} has other changes of its upstream than that has`
  throw new FreshetError('METADATA_MISMATCH', message, { block })
}

/** @param upstream what is taken over from there. */
export function inheritedFrom(upstream: Metadata | null): Maintainer[] {
  return (upstream?.counts ?? []).map(({ key, changes }) => ({ key: keyHex(key), name: '', lastChange: changes }))
}

/** @param block 0: the empty one. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readState(log: ReleaseLog, block: number, options: ReadOptions): Promise<MetadataState> {
  if (block === 0) return EMPTY_STATE
  const { byteLength, compressed } = expectEvent('metadataState', await log.event(block, options), block)
  return decodeState(await unpack({ block, byteLengthMax: METADATA_STATE_BYTES_MAX }, compressed, byteLength))
}

/** The document as it is fixed. @throws FreshetError METADATA_MISMATCH, EVENT_INVALID, NO_PEERS. */
export async function foldFixed(
  log: ReleaseLog,
  { block, note, maintainers, inherited }: FixedDocument,
  logOf: LogOf,
  options: ReadOptions,
): Promise<MetadataFold> {
  const fold = new MetadataFold([...maintainers, ...inherited], await readState(log, note?.stateBlock ?? 0, options))
  if (note === null) return fold
  for (const { key, changes } of note.counts) await foldChanges(fold, await logOf(keyHex(key)), changes, options)
  await learnPast(fold, logOf, options)
  requireFixed(fold, note, block)
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
