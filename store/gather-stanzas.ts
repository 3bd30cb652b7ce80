/**
 * Bounds over how many blocks of the log a snapshot is spread: with each chapter a publisher writes what is left of thin blocks once more,
 * close together, and readers find any snapshot's text in at most some four blocks for each full one.
 *
 * The model is segment cleaning in log-structured file systems (Rosenblum and Ousterhout 1992), with two differences: a log
 * cannot free what was cleaned, and nothing moves. Copies are another way to the same text; places in scripts, checkpoints and the
 * look-up index stay. So followers that are up to date never fetch copies, and whatever is wrong with them costs time only.
 */
import { pushRun } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
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
import { splitStanzas } from '../schemas/stanza.ts'
import { type Copies, StanzaCopies } from '../schemas/stanza-copies.ts'
import { pack, unpack } from './brotli.ts'
import { StanzaGroups } from './pack-stanzas.ts'
import { linkError } from './release-block.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReadOptions, ReleaseLog } from './release-log.ts'

export interface Gathering extends Copies {
  /** Position of the event that describes them. */
  readonly block: number
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

/** The gathering at `block`. @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readGathering(log: ReleaseLog, block: number, options: ReadOptions = {}): Promise<Gathering> {
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
 * @param bytes index files of `plan` by path. @param known gatherings in use so far.
 */
export async function packGathering(
  base: number,
  plan: SnapshotPlan,
  bytes: ReadonlyMap<string, Buffer>,
  known: readonly Gathering[],
): Promise<PackedGathering> {
  const copies = new StanzaCopies(known)
  const living = livingBytes(copies, plan, bytes)
  const thin = thinBlocks(living)
  for (const block of thin) living.delete(block)
  const useful = known.filter(({ blocks }) => blocks.some(({ block }) => living.has(block)))
  if (thin.size === 0) return { blocks: [], gatherings: bounded(useful) }
  const groups = new StanzaGroups()
  const originals: Run[] = []
  for (const { block, ordinal, text } of differentStanzas(plan, bytes)) {
    if (!thin.has(copies.blockOf(block, ordinal))) continue
    groups.add(text)
    pushRun(originals, block, ordinal, 1)
  }
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
function livingBytes(
  copies: StanzaCopies,
  plan: SnapshotPlan,
  bytes: ReadonlyMap<string, Buffer>,
): Map<number, number> {
  const living = new Map<number, number>()
  for (const { block, ordinal, text } of differentStanzas(plan, bytes)) {
    const source = copies.blockOf(block, ordinal)
    living.set(source, (living.get(source) ?? 0) + text.byteLength)
  }
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

/** Stanzas of all index files by their place, each place once, in order. */
function* differentStanzas(
  { indexes }: SnapshotPlan,
  bytes: ReadonlyMap<string, Buffer>,
): Generator<{ block: number; ordinal: number; text: Buffer }> {
  const seen = new Map<number, Set<number>>()
  for (const { path, runs } of indexes) {
    const text = bytes.get(path) ?? Buffer.alloc(0)
    const offsets = splitStanzas(text)
    let index = 0
    for (const { block, first, count } of runs) {
      const ordinals = seen.get(block) ?? new Set()
      seen.set(block, ordinals)
      for (let ordinal = first; ordinal < first + count; ordinal++, index++) {
        if (ordinals.has(ordinal)) continue
        ordinals.add(ordinal)
        yield { block, ordinal, text: text.subarray(offsets[index], offsets[index + 1]) }
      }
    }
  }
}
