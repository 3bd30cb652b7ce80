/**
 * Unpacking with a bound: whatever a file claims, at most `byteLengthMax` bytes come out (ARCHIVE_LIMIT beyond).
 *
 * .gz by zlib, .xz and .zst by pure libraries, .lz4 by apt's own helper: apt keeps its lists so, and no other reader of
 * them is needed where there is no apt. None of them proves anything: the caller checks a hash of what came out.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Decompress } from 'fzstd'
import xz from 'xz-decompress'
import { FreshetError } from '../../schemas/errors.ts'
import { TOOL_MS_MAX } from '../../schemas/limits.ts'

export type Compression = 'none' | 'gz' | 'xz' | 'zst'

const APT_HELPER = '/usr/lib/apt/apt-helper'
/** Each chunk is a turn of a thread and of the event loop; the default of 16 KiB is too small for a bomb to end soon. */
const GZIP_CHUNK_BYTES = 512 * 1024
const gunzipAsync = promisify(gunzip)
const run = promisify(execFile)

/**
 * @param what names the file in errors.
 * @throws FreshetError ARCHIVE_LIMIT, or SOURCE_UNAVAILABLE for bytes that are not of that format or incomplete
 */
export async function decompress(
  compression: Compression,
  packed: Buffer,
  byteLengthMax: number,
  what: string,
): Promise<Buffer> {
  try {
    switch (compression) {
      case 'none':
        if (packed.length > byteLengthMax) throw tooMuch(what, byteLengthMax)
        return packed
      case 'gz':
        return await gunzipAsync(packed, { maxOutputLength: byteLengthMax, chunkSize: GZIP_CHUNK_BYTES })
      case 'xz':
        return await unpackXz(packed, byteLengthMax, what)
      case 'zst':
        return unpackZstandard(packed, byteLengthMax, what)
    }
  } catch (error) {
    if (error instanceof FreshetError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooMuch(what, byteLengthMax)
    throw unreadable(what, error)
  }
}

/**
 * Reads one of apt's own lists, in any compression that apt writes.
 * @throws FreshetError ARCHIVE_LIMIT, SOURCE_UNAVAILABLE
 */
export async function readByAptHelper(path: string, byteLengthMax: number): Promise<Buffer> {
  try {
    const options = { encoding: 'buffer', maxBuffer: byteLengthMax, timeout: TOOL_MS_MAX } as const
    const { stdout } = await run(APT_HELPER, ['cat-file', path], options)
    return stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
      throw tooMuch(path, byteLengthMax)
    throw unreadable(path, error)
  }
}

async function unpackXz(packed: Buffer, byteLengthMax: number, what: string): Promise<Buffer> {
  // The library takes a turn of the event loop for each output of 64 KiB: long files do not block others.
  const reader = new xz.XzReadableStream(new Blob([packed]).stream()).getReader()
  const chunks: Uint8Array[] = []
  let byteLength = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks, byteLength)
    byteLength += value.byteLength
    if (byteLength > byteLengthMax) {
      await reader.cancel() // its decoders take turns: one that is dropped without this blocks all later ones
      throw tooMuch(what, byteLengthMax)
    }
    chunks.push(value)
  }
}

function unpackZstandard(packed: Buffer, byteLengthMax: number, what: string): Buffer {
  const chunks: Uint8Array[] = []
  let byteLength = 0
  const decoder = new Decompress((chunk) => {
    byteLength += chunk.byteLength
    if (byteLength > byteLengthMax) throw tooMuch(what, byteLengthMax)
    chunks.push(chunk.slice())
  })
  // Small bites: the decoder keeps what it makes of one push until all of that is made.
  const bite = 4096
  for (let at = 0; at < packed.length; at += bite) {
    decoder.push(packed.subarray(at, at + bite), at + bite >= packed.length)
  }
  if (packed.length === 0) throw unreadable(what, new Error('it is empty'))
  return Buffer.concat(chunks, byteLength)
}

function tooMuch(what: string, byteLengthMax: number): FreshetError {
  return new FreshetError('ARCHIVE_LIMIT', `${what} unpacks to more than ${byteLengthMax} bytes`, { byteLengthMax })
}

function unreadable(what: string, error: unknown): FreshetError {
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
  return new FreshetError('SOURCE_UNAVAILABLE', `${what} cannot be unpacked: ${reason}`, {}, error)
}
