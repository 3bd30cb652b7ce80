/**
 * Blocks of wanted pieces between the wire and the disk: each is checked as soon as there is something to check it with.
 *
 * With the hashes of its piece's blocks (`leaves`), which lead to the piece layer or the root of the file, a block is checked when it comes
 * and can be passed on before its piece is whole. What cannot be checked yet waits here, with the name of who sent it. A piece whose blocks
 * are all here is for the disk, which checks what is still unchecked. Who sent what proves to be wrong is named.
 */
import type { Artifact } from '../schemas/artifact.ts'
import type { Bundle } from '../schemas/bundle.ts'
import { areLeavesOf, HASH_BYTES, leafHash } from '../schemas/leaf-hashes.ts'
import { LEAF_BYTES } from '../schemas/limits.ts'
import { digestHex } from '../schemas/units.ts'

/** What came of new bytes or hashes. */
export interface Checked {
  /** Blocks that are right. */
  readonly kept: number[]
  /** Blocks that are not here after all. */
  readonly lost: number[]
  /** Who sent what was wrong. */
  readonly liars: Set<number>
}

/** A piece whose blocks are all here. */
export interface WholePiece {
  readonly bytes: Buffer
  /** Blocks that nothing has checked yet, and who sent them. */
  readonly unchecked: readonly number[]
  readonly senders: ReadonlySet<number>
}

interface Part {
  readonly sender: number
  isChecked: boolean
}

interface Piece {
  /** Blocks stand at their places; null until the first of them is here. */
  bytes: Buffer | null
  /** Blocks that are here, by their number in the bundle. */
  readonly parts: Map<number, Part>
  /** Hashes of its blocks; null while they are not known. */
  leaves: Buffer | null
  /** Of a piece whose own hash is not known yet: what each sender says. */
  readonly said: Map<number, Buffer>
}

export class ArrivingBlocks {
  readonly #bundle: Bundle
  readonly #artifacts: readonly Artifact[]
  readonly #pieces = new Map<number, Piece>()
  /** Piece hashes of files of several pieces. */
  readonly #layers = new Map<number, Buffer>()

  constructor(bundle: Bundle, artifacts: readonly Artifact[]) {
    this.#bundle = bundle
    this.#artifacts = artifacts
  }

  /** Piece hashes of a file of several pieces, checked; null while they are not known. */
  layerOf(file: number): Buffer | null {
    return this.#layers.get(file) ?? null
  }

  /** Whether the hashes of a piece's blocks would help: a root leads to them, and they are not here. */
  needsLeaves(piece: number): boolean {
    const artifact = this.#artifactOf(piece)
    if (artifact.piecesRoot === null || artifact.byteLength <= LEAF_BYTES) return false
    return this.leavesOf(piece) === null
  }

  leavesOf(piece: number): Buffer | null {
    return this.#pieces.get(piece)?.leaves ?? null
  }

  /** A block that is here; null where it is not, or is not checked. */
  block(block: number): Buffer | null {
    const index = this.#bundle.pieceOf(block)
    const piece = this.#pieces.get(index)
    return piece?.parts.get(block)?.isChecked === true ? this.#textOf(index, piece, block) : null
  }

  has(block: number): boolean {
    return this.#pieces.get(this.#bundle.pieceOf(block))?.parts.has(block) ?? false
  }

  /** @param layer checked already. */
  learnLayer(file: number, layer: Buffer): Checked {
    const checked = nothing()
    this.#layers.set(file, layer)
    const { first, count } = this.#bundle.piecesOf(file)
    for (let index = first; index < first + count; index++) {
      const piece = this.#pieces.get(index)
      if (piece === undefined) continue
      for (const [sender, leaves] of piece.said) this.#judgeLeaves(index, piece, sender, leaves, checked)
      piece.said.clear()
    }
    return checked
  }

  /** @param leaves what `sender` says of a piece: nothing to trust yet. */
  learnLeaves(sender: number, index: number, leaves: Buffer): Checked {
    const checked = nothing()
    if (!this.needsLeaves(index)) return checked
    const piece = this.#piece(index)
    if (this.#hashOf(index) === null) piece.said.set(sender, leaves)
    else this.#judgeLeaves(index, piece, sender, leaves, checked)
    return checked
  }

  /** @param bytes as many as the block has; they are copied. */
  add(sender: number, block: number, bytes: Buffer): Checked {
    const checked = nothing()
    const index = this.#bundle.pieceOf(block)
    const piece = this.#piece(index)
    if (piece.parts.has(block)) return checked
    piece.bytes ??= Buffer.allocUnsafeSlow(this.#byteLengthOf(index))
    bytes.copy(piece.bytes, this.#placeOf(index, block))
    const part = { sender, isChecked: false }
    piece.parts.set(block, part)
    this.#judge(index, piece, block, part, checked)
    return checked
  }

  /** Null until all blocks of the piece are here. */
  whole(index: number): WholePiece | null {
    const piece = this.#pieces.get(index)
    const bytes = piece?.bytes ?? null
    if (piece === undefined || bytes === null || piece.parts.size < this.#bundle.blocksOf(index).count) return null
    const unchecked = [...piece.parts].filter(([, { isChecked }]) => !isChecked)
    return {
      bytes,
      unchecked: unchecked.map(([block]) => block),
      senders: new Set(unchecked.map(([, { sender }]) => sender)),
    }
  }

  /** It is on disk, or was wrong, or nobody wants it any more. */
  forget(index: number): void {
    this.#pieces.delete(index)
  }

  /** Unchecked blocks of a sender who will send no more: what it began nobody else can end. @returns blocks that are not here after all. */
  forgetSender(sender: number): number[] {
    const lost: number[] = []
    for (const piece of this.#pieces.values()) {
      piece.said.delete(sender)
      for (const [block, part] of piece.parts) {
        if (part.sender !== sender || part.isChecked) continue
        takeOut(piece, block)
        lost.push(block)
      }
    }
    return lost
  }

  #piece(index: number): Piece {
    let piece = this.#pieces.get(index)
    if (piece === undefined)
      this.#pieces.set(index, (piece = { bytes: null, parts: new Map(), leaves: null, said: new Map() }))
    return piece
  }

  #byteLengthOf(index: number): number {
    const { first, count } = this.#bundle.blocksOf(index)
    return (count - 1) * LEAF_BYTES + this.#bundle.blockBytes(first + count - 1)
  }

  #placeOf(index: number, block: number): number {
    return (block - this.#bundle.blocksOf(index).first) * LEAF_BYTES
  }

  #textOf(index: number, piece: Piece, block: number): Buffer {
    const at = this.#placeOf(index, block)
    return (piece.bytes as Buffer).subarray(at, at + this.#bundle.blockBytes(block))
  }

  #artifactOf(piece: number): Artifact {
    return this.#artifacts[this.#bundle.fileOf(piece)] as Artifact
  }

  /** What the leaves of a piece must give; null while that is not known. */
  #hashOf(index: number): Buffer | null {
    const file = this.#bundle.fileOf(index)
    const { first, count } = this.#bundle.piecesOf(file)
    if (count === 1) return this.#artifactOf(index).piecesRoot
    const at = (index - first) * HASH_BYTES
    return this.#layers.get(file)?.subarray(at, at + HASH_BYTES) ?? null
  }

  #judgeLeaves(index: number, piece: Piece, sender: number, leaves: Buffer, checked: Checked): void {
    const { byteLength } = this.#artifactOf(index)
    const place = index - this.#bundle.piecesOf(this.#bundle.fileOf(index)).first
    if (!areLeavesOf(leaves, byteLength, place, this.#hashOf(index) as Buffer)) {
      checked.liars.add(sender)
      return
    }
    if (piece.leaves !== null) return
    piece.leaves = Buffer.from(leaves)
    for (const [block, part] of piece.parts) this.#judge(index, piece, block, part, checked)
  }

  #judge(index: number, piece: Piece, block: number, part: Part, checked: Checked): void {
    if (part.isChecked) return
    const isRight = this.#isRight(index, piece, block, this.#textOf(index, piece, block))
    if (isRight === null) return
    if (isRight) {
      part.isChecked = true
      checked.kept.push(block)
      return
    }
    takeOut(piece, block)
    checked.lost.push(block)
    checked.liars.add(part.sender)
  }

  /** Null: nothing is known yet that would tell. */
  #isRight(index: number, { leaves }: Piece, block: number, bytes: Buffer): boolean | null {
    const { digest, byteLength } = this.#artifactOf(index)
    if (byteLength <= LEAF_BYTES) return digestHex(leafHash(bytes)) === digest
    if (leaves === null) return null
    const at = (block - this.#bundle.blocksOf(index).first) * HASH_BYTES
    return leafHash(bytes).equals(leaves.subarray(at, at + HASH_BYTES))
  }
}

/** The bytes may be on their way to the disk: what comes in place of the block does not go over them. */
function takeOut(piece: Piece, block: number): void {
  piece.parts.delete(block)
  if (piece.bytes !== null) piece.bytes = Buffer.from(piece.bytes)
}

function nothing(): Checked {
  return { kept: [], lost: [], liars: new Set() }
}
