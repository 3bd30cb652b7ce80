/** Reads the packages that runs of stanzas name: each block of the log is fetched and unpacked once. */
import type { Run } from '../schemas/edit-script.ts'
import { stanzaCount } from '../schemas/edit-script.ts'
import { FreshetError } from '../schemas/errors.ts'
import { COMPARED_STANZAS_MAX } from '../schemas/limits.ts'
import { runsByBlock } from '../schemas/run-list.ts'
import type { PackageFile } from '../schemas/package-difference.ts'
import { readPackageRank } from '../schemas/package-rank.ts'
import { isBlankSlice, readPackageStanza } from '../schemas/stanza.ts'
import type { ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'

/** Blocks being unpacked side by side: 16 of 256 KiB. */
const BLOCKS_AT_ONCE = 16

export interface ReadingOptions {
  readonly signal?: AbortSignal
  /** Whether each package's rank is read, too. */
  readonly ranks?: boolean
  /** Counts blocks that are read. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * In no order.
 * @throws FreshetError COMPARISON_TOO_LARGE, INTERRUPTED, NO_PEERS, EVENT_INVALID, STANZA_*.
 */
export async function readPackageFiles(
  log: ReleaseLog,
  runs: readonly Run[],
  { signal, ranks = false, onProgress = () => {} }: ReadingOptions = {},
): Promise<PackageFile[]> {
  const count = stanzaCount(runs)
  if (count > COMPARED_STANZAS_MAX) {
    const message = `${count} stanzas would have to be compared, more than ${COMPARED_STANZAS_MAX}`
    throw new FreshetError('COMPARISON_TOO_LARGE', message, { count, countMax: COMPARED_STANZAS_MAX })
  }
  const files: PackageFile[] = []
  const blocks = [...runsByBlock(runs)]
  for (let start = 0; start < blocks.length; start += BLOCKS_AT_ONCE) {
    if (signal?.aborted === true) throw new FreshetError('INTERRUPTED', 'the comparison was interrupted')
    const some = blocks.slice(start, start + BLOCKS_AT_ONCE)
    await log.download(some.map(([block]) => block))
    const read = await Promise.all(some.map(async ([block, own]) => filesOfBlock(log, block, own, ranks)))
    for (const found of read) files.push(...found)
    onProgress(Math.min(start + BLOCKS_AT_ONCE, blocks.length), blocks.length)
  }
  return files
}

async function filesOfBlock(
  log: ReleaseLog,
  block: number,
  runs: readonly Run[],
  ranks: boolean,
): Promise<PackageFile[]> {
  const { text, offsets } = await readStanzas(log, block)
  const files: PackageFile[] = []
  for (const { first, count } of runs) {
    for (let i = first; i < first + count; i++) {
      const [from, to] = [offsets[i] ?? 0, offsets[i + 1] ?? 0]
      if (isBlankSlice(text.subarray(from, to))) continue
      const stanza = readPackageStanza(text, from, to, `stanza ${i} of block ${block}`)
      const { name, version, architecture, byteLength, digest } = stanza
      const file = { name, version, architecture, byteLength, digest }
      files.push(ranks ? { ...file, rank: readPackageRank(text.subarray(from, to)) } : file)
    }
  }
  return files
}
