/**
 * Hashes of the blocks of one piece, and what they add up to: with them each block can be checked as it comes.
 *
 * A block is a leaf of BEP 52: LEAF_BYTES, the last one of a file may be short, and is hashed as it is. The leaves that are missing
 * up to a power of two are 32 zero bytes. Of a file of several pieces, those of each piece give its entry of the piece layer,
 * padded to a whole piece. Of a file of a single piece they give its root: BEP 52 makes that tree only as high as it must be.
 * A file of a single block is its own leaf: the root is its SHA-256, so none is stated.
 */
import { hash } from 'node:crypto'
import { pieceByteLength, pieceCount } from './artifact.ts'
import { LEAF_BYTES, PIECE_BYTES } from './limits.ts'

export const HASH_BYTES = 32
export const LEAVES_PER_PIECE = PIECE_BYTES / LEAF_BYTES
const ZERO_LEAF = Buffer.alloc(HASH_BYTES)

/** `bytes`: at most LEAF_BYTES. */
export function leafHash(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** @param piece 1 to PIECE_BYTES bytes. @returns 32 bytes for each of its blocks. */
export function leafHashes(piece: Buffer): Buffer {
  if (piece.length === 0 || piece.length > PIECE_BYTES) throw new TypeError(`a piece of ${piece.length} bytes`)
  const leaves = Buffer.allocUnsafe(HASH_BYTES * leafCount(piece.length))
  for (let at = 0, to = 0; at < piece.length; at += LEAF_BYTES, to += HASH_BYTES) {
    leafHash(piece.subarray(at, at + LEAF_BYTES)).copy(leaves, to)
  }
  return leaves
}

/**
 * What the leaves of one piece give.
 * @param leaves 32 bytes for each of 1 to LEAVES_PER_PIECE blocks.
 * @param byteLength of the whole file. Of several pieces: the entry of the piece layer; of a single one: the root of the file.
 */
export function pieceHashOf(leaves: Buffer, byteLength: number): Buffer {
  const count = leaves.length / HASH_BYTES
  if (!Number.isInteger(count) || count < 1 || count > LEAVES_PER_PIECE) {
    throw new TypeError(`${leaves.length} bytes of leaf hashes for one piece`)
  }
  if (pieceCount(byteLength) === 1) return subtreeRoot(Buffer.from(leaves), count, ZERO_LEAF)
  const padded = Buffer.alloc(HASH_BYTES * LEAVES_PER_PIECE)
  leaves.copy(padded)
  return subtreeRoot(padded, LEAVES_PER_PIECE, ZERO_LEAF)
}

/**
 * Whether `leaves` has one hash for each block of piece `index`, and they give `expected`: the entry of the piece layer, or of a file
 * of a single piece the stated root. Never throws, as the leaves may come from a peer.
 */
export function areLeavesOf(leaves: Buffer, byteLength: number, index: number, expected: Buffer): boolean {
  if (index < 0 || index >= pieceCount(byteLength)) return false
  if (leaves.length !== HASH_BYTES * leafCount(pieceByteLength(byteLength, index))) return false
  return pieceHashOf(leaves, byteLength).equals(expected)
}

/**
 * Root over `count` hashes, padded to a power of two. Overwrites `level`.
 * @param pad root of an empty subtree at this level; one level up it is the hash of two of them.
 */
export function subtreeRoot(level: Buffer, count: number, pad: Buffer): Buffer {
  let width = count
  let empty = pad
  while (width > 1) {
    const pairs = Math.ceil(width / 2)
    for (let pair = 0; pair < pairs; pair++) {
      const left = level.subarray(2 * pair * HASH_BYTES, (2 * pair + 2) * HASH_BYTES)
      const whole = 2 * pair + 1 < width ? left : Buffer.concat([left.subarray(0, HASH_BYTES), empty])
      hash('sha256', whole, 'buffer').copy(level, pair * HASH_BYTES)
    }
    empty = hash('sha256', Buffer.concat([empty, empty]), 'buffer')
    width = pairs
  }
  return Buffer.from(level.subarray(0, HASH_BYTES))
}

function leafCount(byteLength: number): number {
  return Math.ceil(byteLength / LEAF_BYTES)
}
