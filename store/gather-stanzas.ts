/**
 * Bounds over how many blocks of the log a snapshot is spread: with each chapter a publisher writes what is left of thin blocks once more,
 * close together, and readers find any snapshot's text in at most some four blocks for each full one.
 *
 * The model is segment cleaning in log-structured file systems (Rosenblum and Ousterhout 1992), with two differences: a log
 * cannot free what was cleaned, and nothing moves. Copies are another way to the same text; places in scripts, checkpoints and the
 * look-up index stay. So followers that are up to date never fetch copies, and whatever is wrong with them costs time only.
 */
import { levelOf } from '../schemas/chain-position.ts'
import { pushRun } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { FreshetError } from '../schemas/errors.ts'
import { encodeEvent, expectEvent } from '../schemas/events.ts'
import {
  GATHERED_BLOCKS_MAX,
  GATHERED_PART,
  GATHERED_STANZAS_MAX,
  GATHERINGS_MAX,
  PACKED_RUNS_BYTES_MAX,
  STANZAS_BLOCK_BYTES_MAX,
  THIN_BLOCK_BYTES,
} from '../schemas/limits.ts'
import { packRuns, unpackRuns } from '../schemas/packed-runs.ts'
import { type Copies, StanzaCopies } from '../schemas/stanza-copies.ts'
import type { StanzaList } from '../schemas/stanza-table.ts'
import { pack, unpack } from './brotli.ts'
import { locateBlock } from './chain-blocks.ts'
import { StanzaGroups } from './pack-stanzas.ts'
import { linkError } from './release-block.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

export interface Gathering extends Copies {
  /** Position of the event that describes them. */
  readonly block: number
}

/** Index files of a snapshot, a window at a time: a list is good until the next one is asked for. */
type StanzasByPath = (path: string) => AsyncIterable<StanzaList>

/** Where a stanza is in the log. */
interface Place {
  readonly block: number
  readonly ordinal: number
}

export interface PackedGathering {
  /** Copies, and the event that describes them; nothing when there is little to gather. */
  readonly blocks: readonly Buffer[]
  /** Positions of the gatherings in use from here on. */
  readonly gatherings: readonly number[]
}

/** Those at `blocks`, in this order. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readGatherings(log: ReleaseLog, blocks: readonly number[]): Promise<Gathering[]> {
  await log.download(blocks)
  const gatherings: Gathering[] = []
  for (const block of blocks) gatherings.push(await readGathering(log, block))
  return gatherings
}

/** The gathering at `block`, as the log has it that `block` is of. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readGathering(log: ReleaseLog, block: number, options: ReadOptions = {}): Promise<Gathering> {
  if (levelOf(block) > 0) {
    const located = locateBlock(log, block)
    const found = await readGathering(located.log, located.block, options)
    const shift = (position: number): number => position + (block - located.block)
    return {
      block,
      originals: found.originals.map((run) => ({ ...run, block: shift(run.block) })),
      blocks: found.blocks.map((copy) => ({ ...copy, block: shift(copy.block) })),
    }
  }
  const event = expectEvent('gathering', await log.event(block, options), block)
  const { counts, packedByteLength, compressed } = event
  const first = block - counts.length
  if (first < 1) throw linkError(block, 'it describes more blocks than stand before it')
  const packed = await unpack({ block, byteLengthMax: PACKED_RUNS_BYTES_MAX }, compressed, packedByteLength)
  const originals = unpackRuns(packed)
  if (originals.some((run) => run.block >= first)) throw linkError(block, 'its copies are older than the originals')
  return { block, originals, blocks: counts.map((count, i) => ({ block: first + i, count })) }
}

/**
 * @param base position that the first of these blocks will have.
 * @param stanzas of an index file of `plan` by path. @param known gatherings in use so far.
 */
export async function packGathering(
  base: number,
  plan: SnapshotPlan,
  stanzas: StanzasByPath,
  known: readonly Gathering[],
): Promise<PackedGathering> {
  const copies = new StanzaCopies(known)
  const living = await livingBytes(copies, plan, stanzas)
  const thin = thinBlocks(living)
  for (const block of thin) living.delete(block)
  const useful = known.filter(({ blocks }) => blocks.some(({ block }) => living.has(block)))
  if (thin.size === 0) return { blocks: [], gatherings: bounded(useful) }
  const groups = new StanzaGroups()
  const originals: Run[] = []
  await eachStanza(plan, stanzas, ({ block, ordinal }, text) => {
    if (!thin.has(copies.blockOf(block, ordinal))) return
    groups.add(Buffer.from(text))
    pushRun(originals, block, ordinal, 1)
  })
  const packed = packRuns(originals)
  const description = encodeEvent({
    type: 'gathering',
    counts: groups.groups.map(({ length }) => length),
    packedByteLength: packed.byteLength,
    compressed: await pack(packed),
  })
  const block = base + groups.groups.length
  return {
    blocks: [...(await groups.pack()), description],
    gatherings: bounded([...useful, { block, originals, blocks: [] }]),
  }
}

/** The oldest go where there are too many: their stanzas are read from where they came. */
function bounded(gatherings: readonly Gathering[]): number[] {
  const kept: number[] = []
  let stanzas = 0
  for (const { block, originals } of gatherings.toReversed()) {
    for (const { count } of originals) stanzas += count
    if (stanzas > GATHERED_STANZAS_MAX || kept.length === GATHERINGS_MAX) break
    kept.push(block)
  }
  return kept.reverse()
}

/** How much of each block is text of the snapshot that is best read there. */
async function livingBytes(
  copies: StanzaCopies,
  plan: SnapshotPlan,
  stanzas: StanzasByPath,
): Promise<Map<number, number>> {
  const living = new Map<number, number>()
  await eachStanza(plan, stanzas, ({ block, ordinal }, text) => {
    const source = copies.blockOf(block, ordinal)
    living.set(source, (living.get(source) ?? 0) + text.byteLength)
  })
  return living
}

/** Those worth gathering, thinnest first, up to a part of the snapshot; none unless it at least halves their number. */
function thinBlocks(living: ReadonlyMap<number, number>): Set<number> {
  let total = 0
  for (const byteLength of living.values()) total += byteLength
  const budget = Math.min(
    Math.max(total * GATHERED_PART, STANZAS_BLOCK_BYTES_MAX),
    GATHERED_BLOCKS_MAX * THIN_BLOCK_BYTES,
  )
  const chosen = new Set<number>()
  let gathered = 0
  for (const [block, byteLength] of [...living].sort((a, b) => a[1] - b[1])) {
    if (byteLength >= THIN_BLOCK_BYTES || gathered + byteLength > budget) break
    gathered += byteLength
    chosen.add(block)
  }
  return chosen.size < 2 * Math.ceil(gathered / STANZAS_BLOCK_BYTES_MAX) ? new Set() : chosen
}

/**
 * Gives `take` the stanzas of all index files with their places, each place once, in order. A text is good until `take` returns.
 * @throws FreshetError EVENT_INVALID when an index file has not as many stanzas as its runs.
 */
async function eachStanza(
  { indexes }: SnapshotPlan,
  stanzas: StanzasByPath,
  take: (place: Place, text: Buffer) => void,
): Promise<void> {
  const seen = new Map<number, Set<number>>()
  for (const { path, runs } of indexes) {
    const places = placesOf(runs)
    for await (const { bytes, offsets } of stanzas(path)) {
      for (let i = 0; i < offsets.length - 1; i++) {
        const { value: place } = places.next()
        if (place === undefined) throw new FreshetError('EVENT_INVALID', `${path} has more stanzas than its runs`)
        if (isFirst(seen, place)) take(place, bytes.subarray(offsets[i], offsets[i + 1]))
      }
    }
    if (places.next().done !== true) throw new FreshetError('EVENT_INVALID', `${path} has fewer stanzas than its runs`)
  }
}

function* placesOf(runs: readonly Run[]): Generator<Place, undefined> {
  for (const { block, first, count } of runs) {
    for (let ordinal = first; ordinal < first + count; ordinal++) yield { block, ordinal }
  }
}

function isFirst(seen: Map<number, Set<number>>, { block, ordinal }: Place): boolean {
  const ordinals = seen.get(block) ?? new Set()
  seen.set(block, ordinals)
  if (ordinals.has(ordinal)) return false
  ordinals.add(ordinal)
  return true
}
