/** A file named by its SHA-256: a .deb, an index. What a node must know to fetch and check it. */
import { PIECE_BYTES } from './limits.ts'
import type { DigestHex } from './units.ts'

export interface Artifact {
  readonly digest: DigestHex
  readonly byteLength: number
  /** BEP 52 pieces root (32 bytes) from the signed log; null: published without bytes, or by an older version, or at most one block. */
  readonly piecesRoot: Buffer | null
}

/** Pieces of a file of `byteLength` bytes; an empty file has none. */
export function pieceCount(byteLength: number): number {
  return Math.ceil(byteLength / PIECE_BYTES)
}

/** Bytes of piece `index`; the last one may be short. */
export function pieceByteLength(byteLength: number, index: number): number {
  return Math.min(PIECE_BYTES, byteLength - index * PIECE_BYTES)
}
