/**
 * Merkle trees over files as BitTorrent v2 has them: the root of an artifact here is its `pieces root` there.
 *
 * Leaves are the SHA-256 of 16 KiB blocks (the last one may be short, and is hashed as it is); the missing leaves up to a
 * power of two are 32 zero bytes. The piece layer holds the hash of the subtree over each piece of PIECE_BYTES.
 * A file of at most one piece has no layer and no root in our log: its SHA-256 alone checks it.
 * Source: BEP 52 ("pieces root", "piece layers").
 */
import { createHash, hash } from 'node:crypto'
import { ARTIFACT_BYTES_MAX, LEAF_BYTES, PIECE_BYTES } from './limits.ts'
import { FreshetError } from './errors.ts'
import { type DigestHex, digestHex } from './units.ts'

const HASH_BYTES = 32
const LEAVES_PER_PIECE = PIECE_BYTES / LEAF_BYTES
const ZERO_LEAF = Buffer.alloc(HASH_BYTES)
/** Stands in the piece layer for each piece after the end of the file. */
const ZERO_PIECE = subtreeRoot(Buffer.alloc(HASH_BYTES * LEAVES_PER_PIECE), LEAVES_PER_PIECE, ZERO_LEAF)

/** `bytes`: at most LEAF_BYTES. */
export function leafHash(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/**
 * Root of the subtree of one piece of a file that has several.
 * @param bytes 1 to PIECE_BYTES bytes; a short last piece is padded to the whole subtree.
 */
export function pieceHash(bytes: Buffer): Buffer {
  if (bytes.length === 0 || bytes.length > PIECE_BYTES) throw new TypeError(`a piece of ${bytes.length} bytes`)
  const leaves = Buffer.allocUnsafe(HASH_BYTES * LEAVES_PER_PIECE)
  let count = 0
  for (let at = 0; at < bytes.length; at += LEAF_BYTES) {
    leafHash(bytes.subarray(at, at + LEAF_BYTES)).copy(leaves, HASH_BYTES * count++)
  }
  leaves.fill(0, HASH_BYTES * count)
  return subtreeRoot(leaves, LEAVES_PER_PIECE, ZERO_LEAF)
}

/** @param layer 32 bytes for each of at least two pieces. */
export function piecesRoot(layer: Buffer): Buffer {
  if (!isLayer(layer)) throw new TypeError(`a piece layer of ${layer.length} bytes`)
  return subtreeRoot(Buffer.from(layer), layer.length / HASH_BYTES, ZERO_PIECE)
}

/** Never throws, as both may come from a peer. Check the number of pieces against the byte length of the file as well. */
export function verifyLayer(layer: Buffer, root: Buffer): boolean {
  return isLayer(layer) && piecesRoot(layer).equals(root)
}

export interface PieceTree {
  /** SHA-256 of the whole file. */
  readonly digest: DigestHex
  readonly byteLength: number
  /** 32 bytes per piece; empty for a file of at most one piece. */
  readonly layer: Buffer
  /** Null for a file of at most one piece. */
  readonly piecesRoot: Buffer | null
}

/** Hashes a file that arrives in order in chunks of any size; holds at most one leaf of it. */
export class PieceTreeBuilder {
  readonly #whole = createHash('sha256')
  readonly #leaf = Buffer.allocUnsafe(LEAF_BYTES)
  #leafLength = 0
  readonly #leaves = Buffer.alloc(HASH_BYTES * LEAVES_PER_PIECE)
  #leafCount = 0
  readonly #pieces: Buffer[] = []
  #byteLength = 0

  /** The chunk may be reused once this has returned. @throws FreshetError ARTIFACT_MISMATCH beyond ARTIFACT_BYTES_MAX */
  update(chunk: Uint8Array): void {
    this.#byteLength += chunk.byteLength
    if (this.#byteLength > ARTIFACT_BYTES_MAX) {
      throw new FreshetError('ARTIFACT_MISMATCH', `a file of more than ${ARTIFACT_BYTES_MAX} bytes`)
    }
    this.#whole.update(chunk)
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#leafLength === 0 && chunk.byteLength - at >= LEAF_BYTES) {
        this.#addLeaf(chunk.subarray(at, at + LEAF_BYTES)) // aligned, the common case: no copy
        at += LEAF_BYTES
        continue
      }
      const part = chunk.subarray(at, at + LEAF_BYTES - this.#leafLength)
      this.#leaf.set(part, this.#leafLength)
      this.#leafLength += part.byteLength
      at += part.byteLength
      if (this.#leafLength === LEAF_BYTES) this.#endLeaf()
    }
  }

  /** Call once; the builder is spent afterwards. */
  finish(): PieceTree {
    if (this.#leafLength > 0) this.#endLeaf()
    if (this.#leafCount > 0) this.#endPiece()
    const layer = this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : Buffer.alloc(0)
    return {
      digest: digestHex(this.#whole.digest()),
      byteLength: this.#byteLength,
      layer,
      piecesRoot: layer.length === 0 ? null : piecesRoot(layer),
    }
  }

  #endLeaf(): void {
    this.#addLeaf(this.#leaf.subarray(0, this.#leafLength))
    this.#leafLength = 0
  }

  #addLeaf(bytes: Uint8Array): void {
    leafHash(bytes).copy(this.#leaves, HASH_BYTES * this.#leafCount++)
    if (this.#leafCount === LEAVES_PER_PIECE) this.#endPiece()
  }

  #endPiece(): void {
    this.#leaves.fill(0, HASH_BYTES * this.#leafCount)
    this.#pieces.push(subtreeRoot(this.#leaves, LEAVES_PER_PIECE, ZERO_LEAF))
    this.#leafCount = 0
  }
}

function isLayer(layer: Buffer): boolean {
  return layer.length >= 2 * HASH_BYTES && layer.length % HASH_BYTES === 0
}

/**
 * Root over `count` hashes, padded to a power of two. Overwrites `level`.
 * @param pad root of an empty subtree at this level; one level up it is the hash of two of them.
 */
function subtreeRoot(level: Buffer, count: number, pad: Buffer): Buffer {
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
