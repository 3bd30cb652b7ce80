/** Brotli on the thread pool, as blocks of a log use it: packed well enough in little time, unpacked within what is declared. */
import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress, constants } from 'node:zlib'
import { FreshetError } from '../schemas/errors.ts'

const compress = promisify(brotliCompress)
const decompress = promisify(brotliDecompress)
/** 22 % of the plain size in a second per 50 MB; 11 would take a minute for another 3 %. */
const QUALITY = 6

export function pack(plain: Buffer): Promise<Buffer> {
  return compress(plain, {
    chunkSize: 128 * 1024, // one piece of output instead of several: less copying
    params: {
      [constants.BROTLI_PARAM_QUALITY]: QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.byteLength,
      [constants.BROTLI_PARAM_LGWIN]: windowBits(plain.byteLength), // a larger window only costs memory
    },
  })
}

/** @throws FreshetError EVENT_INVALID when `block` declares more than `byteLengthMax` or does not unpack to what it declares. */
export async function unpack(
  { block, byteLengthMax }: { readonly block: number; readonly byteLengthMax: number },
  compressed: Buffer,
  byteLength: number,
): Promise<Buffer> {
  if (byteLength > byteLengthMax) throw invalid(block, `declares ${byteLength} bytes of at most ${byteLengthMax}`)
  try {
    // One chunk: by default zlib comes back to the main thread after every 16 KiB, which doubles the time.
    const chunkSize = Math.max(byteLength, constants.Z_MIN_CHUNK)
    const plain = await decompress(compressed, { maxOutputLength: Math.max(byteLength, 1), chunkSize })
    if (plain.byteLength === byteLength) return plain
  } catch (error) {
    throw invalid(block, 'does not unpack', error)
  }
  throw invalid(block, 'unpacks to another size')
}

function windowBits(byteLength: number): number {
  return Math.min(
    Math.max(Math.ceil(Math.log2(byteLength + 16)), constants.BROTLI_MIN_WINDOW_BITS),
    constants.BROTLI_MAX_WINDOW_BITS,
  )
}

function invalid(block: number, what: string, cause?: unknown): FreshetError {
  return new FreshetError('EVENT_INVALID', `block ${block} ${what}`, { block }, cause)
}
