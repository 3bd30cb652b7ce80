/**
 * Reading a file of the pool so that no byte is given out that was not checked in the same reading.
 *
 * Owns the rule "a piece is right or it is not handed out": a file of several pieces by its BEP 52 layer, a file of one
 * piece by its SHA-256. A range that does not fall on piece borders costs the whole pieces around it.
 */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { pieceByteLength, pieceCount } from '../schemas/artifact.ts'
import { FreshetError } from '../schemas/errors.ts'
import { PIECE_BYTES, POOL_READ_BYTES_MAX } from '../schemas/limits.ts'
import { pieceHash } from '../schemas/piece-tree.ts'
import type { DigestHex } from '../schemas/units.ts'

/** What a file must be. `layer` is null only where there is at most one piece. */
export interface Checkable {
  readonly digest: DigestHex
  readonly byteLength: number
  readonly layer: Buffer | null
}

const HASH_BYTES = 32

export function pieceMatches({ digest, byteLength, layer }: Checkable, index: number, bytes: Buffer): boolean {
  if (bytes.byteLength !== pieceByteLength(byteLength, index)) return false
  if (pieceCount(byteLength) === 1) return createHash('sha256').update(bytes).digest('hex') === digest
  return layer !== null && pieceHash(bytes).equals(layer.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES))
}

/** @returns piece `index` as it is in the file, checked; null when it is short or differs. Errors are the system's own. */
export async function readPiece(handle: FileHandle, expected: Checkable, index: number): Promise<Buffer | null> {
  const bytes = Buffer.allocUnsafe(pieceByteLength(expected.byteLength, index))
  for (let filled = 0; filled < bytes.byteLength;) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.byteLength - filled, index * PIECE_BYTES + filled)
    if (bytesRead === 0) return null
    filled += bytesRead
  }
  return pieceMatches(expected, index, bytes) ? bytes : null
}

/** The pieces that hold the bytes from `start` up to, not including, `end`, and which part of each. */
export function* piecesOfRange(start: number, end: number): Generator<{ index: number; from: number; to: number }> {
  for (let index = Math.floor(start / PIECE_BYTES); index * PIECE_BYTES < end; index += 1) {
    const base = index * PIECE_BYTES
    yield { index, from: Math.max(0, start - base), to: Math.min(PIECE_BYTES, end - base) }
  }
}

/** @throws FreshetError REQUEST_REFUSED when the range is not inside the file. */
export function checkRange(expected: { digest: DigestHex; byteLength: number }, start: number, end: number): void {
  const { digest, byteLength } = expected
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= byteLength)
    return
  const message = `bytes ${start} to ${end} are not inside artifact ${digest} of ${byteLength} bytes`
  throw new FreshetError('REQUEST_REFUSED', message, { digest, start, end, byteLength })
}

/** @throws FreshetError REQUEST_REFUSED when one read asks for more memory than a reader may hold. */
export function checkReadLength(digest: DigestHex, byteLength: number): void {
  if (byteLength <= POOL_READ_BYTES_MAX) return
  const message = `one read of ${byteLength} bytes of artifact ${digest} is above ${POOL_READ_BYTES_MAX}`
  throw new FreshetError('REQUEST_REFUSED', message, { digest, byteLength, byteLengthMax: POOL_READ_BYTES_MAX })
}
