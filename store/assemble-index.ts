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

/**
 * @param runs of the index, in order; `text` where it is at hand.
 * @param onProgress blocks that are here, and how many are needed.
 * @throws FreshetError SNAPSHOT_MISMATCH unless the bytes are those of `index`; NO_PEERS, EVENT_INVALID.
 */
export async function assembleIndex(
  log: ReleaseLog,
  index: PlannedIndex,
  runs: readonly FoundRun[],
  onProgress: (done: number, total: number) => void,
): Promise<Buffer> {
  if (index.byteLength > INDEX_BYTES_MAX) throw mismatch(index, `exceeds ${INDEX_BYTES_MAX} bytes`)
  const parts = runs.map(({ first, count, text }): Part => ({ first, count, at: 0, byteLength: text?.byteLength ?? 0 }))
  const byBlock = new Map<number, Part[]>()
  for (const [i, { block, text }] of runs.entries()) {
    if (text !== undefined) continue
    const known = byBlock.get(block)
    if (known === undefined) byBlock.set(block, [parts[i] as Part])
    else known.push(parts[i] as Part)
  }
  const blocks = [...byBlock.keys()]
  await log.download(blocks, (done) => onProgress(done, blocks.length))
  const packed = await measure(log, index, byBlock)
  const bytes = Buffer.allocUnsafe(place(index, parts))
  for (const [i, { text }] of runs.entries()) text?.copy(bytes, (parts[i] as Part).at)
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
