/**
 * Merkle trees over files as BitTorrent v2 has them: the root of an artifact here is its `pieces root` there.
 *
 * Leaves are the SHA-256 of 16 KiB blocks (schemas/leaf-hashes.ts). The piece layer holds the hash of the subtree over each piece
 * of PIECE_BYTES. A file of a single piece has a root, over its leaves alone, and no layer: its SHA-256 checks the piece, the root
 * each block of it. A file of at most one block has no root in our log: BEP 52 has its SHA-256 there.
 * Source: BEP 52 ("pieces root", "piece layers").
 */
import { createHash } from 'node:crypto'
import { FreshetError } from './errors.ts'
import { HASH_BYTES, leafHash, leafHashes, LEAVES_PER_PIECE, pieceHashOf, subtreeRoot } from './leaf-hashes.ts'
import { ARTIFACT_BYTES_MAX, LEAF_BYTES, PIECE_BYTES } from './limits.ts'
import { type DigestHex, digestHex } from './units.ts'

/** Stands for the length of any file that has several pieces. */
const SEVERAL_PIECES = PIECE_BYTES + 1
/** Stands in the piece layer for each piece after the end of the file. */
const ZERO_PIECE = pieceHashOf(Buffer.alloc(HASH_BYTES * LEAVES_PER_PIECE), SEVERAL_PIECES)

/**
 * Root of the subtree of one piece of a file that has several.
 * @param bytes 1 to PIECE_BYTES bytes; a short last piece is padded to the whole subtree.
 */
export function pieceHash(bytes: Buffer): Buffer {
  return pieceHashOf(leafHashes(bytes), SEVERAL_PIECES)
}

/** @param layer 32 bytes for each of at least two pieces. */
export function piecesRoot(layer: Buffer): Buffer {
  if (!isLayer(layer)) throw new TypeError(`a piece layer of ${layer.length} bytes`)
  return subtreeRoot(Buffer.from(layer), layer.length / HASH_BYTES, ZERO_PIECE)
}

/** Whether `layer` has one hash for each of at least two pieces, and they give `root`. Never throws, as it may come from a peer. */
export function isLayerOf(layer: Buffer, pieces: number, root: Buffer): boolean {
  return layer.length === pieces * HASH_BYTES && isLayer(layer) && piecesRoot(layer).equals(root)
}

export interface PieceTree {
  /** SHA-256 of the whole file. */
  readonly digest: DigestHex
  readonly byteLength: number
  /** 32 bytes per piece; empty for a file of at most one piece. */
  readonly layer: Buffer
  /** Null for a file of at most one block. */
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
    const hashes = Buffer.concat(this.#pieces)
    const isSingle = this.#pieces.length <= 1
    return {
      digest: digestHex(this.#whole.digest()),
      byteLength: this.#byteLength,
      layer: isSingle ? Buffer.alloc(0) : hashes,
      piecesRoot: this.#byteLength <= LEAF_BYTES ? null : isSingle ? hashes : piecesRoot(hashes),
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
    const leaves = this.#leaves.subarray(0, HASH_BYTES * this.#leafCount)
    // The length so far is enough: only a piece that is not full hashes otherwise when it is the only one.
    this.#pieces.push(pieceHashOf(leaves, this.#byteLength))
    this.#leafCount = 0
  }
}

function isLayer(layer: Buffer): boolean {
  return layer.length >= 2 * HASH_BYTES && layer.length % HASH_BYTES === 0
}
