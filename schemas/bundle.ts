/**
 * A bundle: artifacts laid end to end as one space of pieces and blocks, so that few words name any part of many files.
 *
 * Files stay files: a piece never spans two of them, and the last piece of each may be short. A piece (PIECE_BYTES) is what is
 * kept and checked against the signed root or the SHA-256 of the file; a block (LEAF_BYTES, the leaf of BEP 52) is what is asked for and
 * sent. Everybody who derives a bundle from the same files counts alike.
 */
import { pieceByteLength, pieceCount } from './artifact.ts'
import { LEAF_BYTES } from './limits.ts'

export interface BundleFile {
  readonly byteLength: number
  /** Whether its leaves can be checked: a signed root stands above them. Else it has its SHA-256 and nothing else. */
  readonly checksBlocks: boolean
}

/** Blocks first, first + 1, … first + count - 1. */
export interface BlockRange {
  readonly first: number
  readonly count: number
}

export class Bundle {
  readonly files: readonly BundleFile[]
  readonly pieces: number
  readonly blocks: number
  readonly byteLength: number
  readonly #firstPieces: Uint32Array
  readonly #firstBlocks: Uint32Array
  readonly #pieceBytes: Uint32Array

  constructor(files: readonly BundleFile[]) {
    this.files = files
    this.#firstPieces = new Uint32Array(files.length + 1)
    for (const [file, { byteLength }] of files.entries()) {
      this.#firstPieces[file + 1] = (this.#firstPieces[file] ?? 0) + pieceCount(byteLength)
    }
    this.pieces = this.#firstPieces[files.length] ?? 0
    this.#firstBlocks = new Uint32Array(this.pieces + 1)
    this.#pieceBytes = new Uint32Array(this.pieces)
    for (const [file, { byteLength }] of files.entries()) {
      const first = this.#firstPieces[file] ?? 0
      for (let index = 0; index < pieceCount(byteLength); index++) {
        const bytes = pieceByteLength(byteLength, index)
        this.#pieceBytes[first + index] = bytes
        this.#firstBlocks[first + index + 1] = (this.#firstBlocks[first + index] ?? 0) + Math.ceil(bytes / LEAF_BYTES)
      }
    }
    this.blocks = this.#firstBlocks[this.pieces] ?? 0
    this.byteLength = files.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  /** Pieces of one file: none for an empty one. */
  piecesOf(file: number): BlockRange {
    const first = this.#firstPieces[file] ?? 0
    return { first, count: (this.#firstPieces[file + 1] ?? first) - first }
  }

  blocksOf(piece: number): BlockRange {
    const first = this.#firstBlocks[piece] ?? 0
    return { first, count: (this.#firstBlocks[piece + 1] ?? first) - first }
  }

  pieceNumbersOf(file: number): number[] {
    return numbersOf(this.piecesOf(file))
  }

  blockNumbersOf(piece: number): number[] {
    return numbersOf(this.blocksOf(piece))
  }

  /** The file that holds `piece`. */
  fileOf(piece: number): number {
    return lastAtMost(this.#firstPieces, piece)
  }

  /** The piece that holds `block`. */
  pieceOf(block: number): number {
    return lastAtMost(this.#firstBlocks, block)
  }

  pieceBytes(piece: number): number {
    return this.#pieceBytes[piece] ?? 0
  }

  /** Only the last block of a piece may be short. */
  blockBytes(block: number): number {
    const piece = this.pieceOf(block)
    return Math.min(LEAF_BYTES, this.pieceBytes(piece) - (block - this.blocksOf(piece).first) * LEAF_BYTES)
  }

  /** Whether a block of the piece can be checked, and so passed on, before the file is whole. */
  checksBlocks(piece: number): boolean {
    return this.files[this.fileOf(piece)]?.checksBlocks ?? false
  }
}

function numbersOf({ first, count }: BlockRange): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}

/** The last index whose value is at most `wanted`; equal values (empty files) belong to the last of them. */
function lastAtMost(values: Uint32Array, wanted: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((values[middle] ?? 0) <= wanted) low = middle
    else high = middle - 1
  }
  return low
}
