/** Unpacks a `stanzas` block of a log, on the thread pool, within its declared bounds. */
import { promisify } from 'node:util'
import { brotliDecompress, constants } from 'node:zlib'
import { expectEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { STANZAS_BLOCK_BYTES_MAX, STANZA_BYTES_MAX } from '../schemas/limits.ts'
import type { ReleaseLog } from './release-log.ts'

const unpack = promisify(brotliDecompress)

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
  if (total > Math.max(STANZAS_BLOCK_BYTES_MAX, STANZA_BYTES_MAX)) {
    throw new FreshetError('EVENT_INVALID', `block ${block} declares ${total} bytes of stanzas`, { block })
  }
  try {
    // One chunk: by default zlib comes back to the main thread after every 16 KiB, which doubles the time.
    const chunkSize = Math.max(total, constants.Z_MIN_CHUNK)
    const text = await unpack(compressed, { maxOutputLength: Math.max(total, 1), chunkSize })
    if (text.byteLength === total) return { text, offsets }
  } catch (error) {
    throw new FreshetError('EVENT_INVALID', `block ${block} does not unpack`, { block }, error)
  }
  throw new FreshetError('EVENT_INVALID', `block ${block} unpacks to another size`, { block })
}
