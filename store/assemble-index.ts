/**
 * Puts an index file together from the runs that it is made of.
 *
 * In a long history neighbours in the index stand in different blocks of the log, so the file is not written in order: first every
 * block says how long its stanzas are, which gives each run its place in the file; then each block is unpacked once, and all its
 * runs are copied to their places. Memory: the file, and packed blocks up to a bound; beyond it a block is read a second time.
 */
import { createHash } from 'node:crypto'
import { FreshetError } from '../schemas/errors.ts'
import { INDEX_BYTES_MAX, REBUILD_PACKED_BYTES_MAX } from '../schemas/limits.ts'
import { eachOf } from './each-of.ts'
import type { FoundRun } from './placed-stanzas.ts'
import type { PlannedIndex } from './release-block.ts'
import type { ReleaseLog } from './release-log.ts'
import { readPacked, unpackStanzas } from './stanza-block.ts'
import type { PackedStanzas } from './stanza-block.ts'

/** Blocks that are read, or unpacked, at once: more than the thread pool has threads. */
const BLOCKS_AT_ONCE = 8
const NEVER = new AbortController().signal

/** A run whose text is in the log only. */
interface Part {
  readonly first: number
  readonly count: number
  /** Place in the file, once all lengths are known. */
  at: number
  byteLength: number
}

/** An index file that was made before: its text, and where its stanzas begin. */
export interface FileBefore {
  readonly bytes: Buffer
  readonly offsets: Uint32Array
}

export interface AssembleOptions {
  /** What `index` of a run is about. */
  readonly before: FileBefore | null
  /** Blocks that are here, and how many are needed. */
  readonly onProgress: (done: number, total: number) => void
}

/**
 * @param runs of the index, in order.
 * @throws FreshetError SNAPSHOT_MISMATCH unless the bytes are those of `index`; NO_PEERS, EVENT_INVALID.
 */
export async function assembleIndex(
  log: ReleaseLog,
  index: PlannedIndex,
  runs: readonly FoundRun[],
  { before, onProgress }: AssembleOptions,
): Promise<Buffer> {
  if (index.byteLength > INDEX_BYTES_MAX) throw mismatch(index, `exceeds ${INDEX_BYTES_MAX} bytes`)
  const parts = runs.map((run): Part => ({
    first: run.first,
    count: run.count,
    at: 0,
    byteLength: lengthIn(before, run),
  }))
  const byBlock = new Map<number, Part[]>()
  for (const [i, { block, index }] of runs.entries()) {
    if (index !== undefined) continue
    const known = byBlock.get(block)
    if (known === undefined) byBlock.set(block, [parts[i] as Part])
    else known.push(parts[i] as Part)
  }
  const blocks = [...byBlock.keys()]
  await log.download(blocks, (done) => onProgress(done, blocks.length))
  const packed = await measure(log, index, byBlock)
  const bytes = Buffer.allocUnsafe(place(index, parts))
  if (before !== null) copyFound(before, bytes, runs, parts)
  await eachOf(blocks, BLOCKS_AT_ONCE, NEVER, async (block) => {
    const { text, offsets } = await unpackStanzas(packed.get(block) ?? (await readPacked(log, block)))
    packed.delete(block)
    for (const { first, at, byteLength } of byBlock.get(block) as Part[]) {
      const start = offsets[first] as number
      text.copy(bytes, at, start, start + byteLength)
    }
  })
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (digest !== index.digest) throw mismatch(index, `has SHA-256 ${digest}`)
  return bytes
}

/** Bytes of a run in the file before; 0 where it is not there. */
function lengthIn(before: FileBefore | null, { index, count }: FoundRun): number {
  if (before === null || index === undefined) return 0
  return (before.offsets[index + count] ?? 0) - (before.offsets[index] ?? 0)
}

/** Copies what the file before has: what stands there without a gap, and is wanted so, in one piece. */
function copyFound(
  { bytes, offsets }: FileBefore,
  target: Buffer,
  runs: readonly FoundRun[],
  parts: readonly Part[],
): void {
  let [from, until, to] = [0, 0, 0]
  for (const [i, { index }] of runs.entries()) {
    if (index === undefined) continue
    const { at, byteLength } = parts[i] as Part
    const start = offsets[index] as number
    if (start !== until || at !== to + until - from) {
      bytes.copy(target, to, from, until)
      ;[from, to] = [start, at]
    }
    until = start + byteLength
  }
  bytes.copy(target, to, from, until)
}

/** Gives every part its length. @returns the blocks that were kept for it. */
async function measure(
  log: ReleaseLog,
  index: PlannedIndex,
  byBlock: ReadonlyMap<number, readonly Part[]>,
): Promise<Map<number, PackedStanzas>> {
  const packed = new Map<number, PackedStanzas>()
  let keptBytes = 0
  await eachOf([...byBlock], BLOCKS_AT_ONCE, NEVER, async ([block, parts]) => {
    const read = await readPacked(log, block)
    for (const part of parts) {
      const [start, end] = [read.offsets[part.first], read.offsets[part.first + part.count]]
      if (start === undefined || end === undefined) throw mismatch(index, `needs stanzas that block ${block} lacks`)
      part.byteLength = end - start
    }
    if (keptBytes + read.compressed.byteLength > REBUILD_PACKED_BYTES_MAX) return
    keptBytes += read.compressed.byteLength
    packed.set(block, read)
  })
  return packed
}

/** Gives every part its place. @returns the length of the file, which is the promised one. */
function place(index: PlannedIndex, parts: readonly Part[]): number {
  let at = 0
  for (const part of parts) {
    part.at = at
    at += part.byteLength
    if (at > index.byteLength) throw mismatch(index, 'is longer than promised')
  }
  if (at !== index.byteLength) throw mismatch(index, `has ${at} bytes instead of ${index.byteLength}`)
  return at
}

function mismatch({ path, digest }: PlannedIndex, what: string): FreshetError {
  return new FreshetError('SNAPSHOT_MISMATCH', `the rebuilt ${path} ${what}`, { path, digest })
}
