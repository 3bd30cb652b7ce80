/** Unpacks a `stanzas` block of a log, on the thread pool, within its declared bounds. */
import { expectEvent } from '../schemas/events.ts'
import { STANZAS_BLOCK_BYTES_MAX, STANZA_BYTES_MAX } from '../schemas/limits.ts'
import { unpack } from './brotli.ts'
import type { ReleaseLog } from './release-log.ts'

export interface StanzaBlock {
  readonly text: Buffer
  /** count + 1 offsets into `text`. */
  readonly offsets: Uint32Array
}

/** @throws FreshetError EVENT_INVALID when the block does not unpack to what it declares. */
export async function readStanzas(log: ReleaseLog, block: number): Promise<StanzaBlock> {
  const { byteLengths, compressed } = expectEvent('stanzas', await log.event(block), block)
  const offsets = new Uint32Array(byteLengths.length + 1)
  for (const [i, byteLength] of byteLengths.entries()) offsets[i + 1] = (offsets[i] as number) + byteLength
  const total = byteLengths.reduce((sum, byteLength) => sum + byteLength, 0)
  const byteLengthMax = Math.max(STANZAS_BLOCK_BYTES_MAX, STANZA_BYTES_MAX)
  return { text: await unpack({ block, byteLengthMax }, compressed, total), offsets }
}
