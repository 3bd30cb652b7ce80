import { createHash } from 'node:crypto'
import fc from 'fast-check'
import test from 'tape'
import { pieceCount } from '../../schemas/artifact.ts'
import { areLeavesOf, leafHash, leafHashes, pieceHashOf } from '../../schemas/leaf-hashes.ts'
import { LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'
import { isLayerOf, PieceTreeBuilder } from '../../schemas/piece-tree.ts'

/** Lengths around the borders of blocks and pieces, and any others. */
const lengths = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: -1, max: 1 }))
    .map(([leaves, off]) => Math.max(1, leaves * LEAF_BYTES + off)),
  fc.integer({ min: 1, max: 3 * PIECE_BYTES }),
)

/** No two blocks alike. */
function fileOf(byteLength: number, seed: number): Buffer {
  const file = Buffer.alloc(byteLength, seed)
  for (let at = 0; at < byteLength; at += LEAF_BYTES) file.writeUInt8(((at / LEAF_BYTES) * 7 + seed) & 0xff, at)
  return file
}

function piecesOf(file: Buffer): Buffer[] {
  return Array.from({ length: pieceCount(file.length) }, (_, i) =>
    file.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
  )
}

/** What is known of each piece from the signed log and the layer. */
function expectedOf(file: Buffer): Buffer[] {
  const builder = new PieceTreeBuilder()
  builder.update(file)
  const { digest, layer, piecesRoot } = builder.finish()
  if (layer.length === 0) return [piecesRoot ?? Buffer.from(digest, 'hex')]
  return piecesOf(file).map((_, i) => layer.subarray(32 * i, 32 * (i + 1)))
}

test('leaf hashes: of every piece of any file → its entry of the layer, or the root of a single piece', (t) => {
  fc.assert(
    fc.property(lengths, fc.nat({ max: 255 }), (byteLength, seed) => {
      const file = fileOf(byteLength, seed)
      const expected = expectedOf(file)
      const hashes = piecesOf(file).map((piece) => pieceHashOf(leafHashes(piece), byteLength))
      const [first, second] = [hashes[0] as Buffer, hashes[1]]
      const sound = hashes.every((found, i) => found.equals(expected[i] as Buffer))
      if (second === undefined) return sound && first.length === 32
      const builder = new PieceTreeBuilder()
      builder.update(file)
      return sound && isLayerOf(Buffer.concat(hashes), hashes.length, builder.finish().piecesRoot as Buffer)
    }),
    { numRuns: 200 },
  )
  t.end()
})

test('leaf hashes: each is the SHA-256 of its block', (t) => {
  const piece = fileOf(3 * LEAF_BYTES + 5, 9)
  const leaves = leafHashes(piece)
  t.equal(leaves.length, 4 * 32)
  for (let i = 0; i < 4; i++) {
    const block = piece.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES)
    t.ok(leaves.subarray(32 * i, 32 * (i + 1)).equals(createHash('sha256').update(block).digest()))
    t.ok(leafHash(block).equals(leaves.subarray(32 * i, 32 * (i + 1))))
  }
  t.end()
})

test('leaf hashes: a short only piece and a short last piece with the same bytes → padded differently', (t) => {
  const leaves = leafHashes(fileOf(3 * LEAF_BYTES, 1))
  const asFile = pieceHashOf(leaves, 3 * LEAF_BYTES)
  const asLast = pieceHashOf(leaves, PIECE_BYTES + 3 * LEAF_BYTES)
  t.notOk(asFile.equals(asLast))
  const pair = (left: Buffer, right: Buffer): Buffer =>
    createHash('sha256')
      .update(Buffer.concat([left, right]))
      .digest()
  const [a, b, c] = [0, 1, 2].map((i) => leaves.subarray(32 * i, 32 * (i + 1))) as [Buffer, Buffer, Buffer]
  const none = Buffer.alloc(32)
  t.ok(asFile.equals(pair(pair(a, b), pair(c, none))), 'as high as it must be')
  const empty: Buffer[] = [none]
  for (let level = 0; level < 3; level++) empty.push(pair(empty[level] as Buffer, empty[level] as Buffer))
  t.ok(asLast.equals(pair(pair(asFile, empty[2] as Buffer), empty[3] as Buffer)), 'as high as a piece')
  t.end()
})

test('leaf hashes: what a peer says instead → refused, and nothing is thrown', (t) => {
  fc.assert(
    fc.property(lengths, fc.nat(), fc.nat(), (byteLength, at, bit) => {
      const file = fileOf(byteLength, 3)
      const pieces = piecesOf(file)
      const index = at % pieces.length
      const leaves = leafHashes(pieces[index] as Buffer)
      const known = expectedOf(file)[index] as Buffer
      const isTaken = (said: Buffer, piece = index, hash = known): boolean => areLeavesOf(said, byteLength, piece, hash)
      const changed = Buffer.from(leaves)
      changed.writeUInt8((changed[bit % changed.length] ?? 0) ^ (1 << (bit % 8)), bit % changed.length)
      return (
        isTaken(leaves) &&
        !isTaken(changed) &&
        !isTaken(leaves.subarray(0, -32)) &&
        !isTaken(leaves.subarray(1)) &&
        !isTaken(Buffer.concat([leaves, Buffer.alloc(32)])) &&
        !isTaken(Buffer.concat([leaves, leaves])) &&
        !isTaken(Buffer.alloc(0)) &&
        !isTaken(leaves, pieces.length) &&
        !isTaken(leaves, -1) &&
        !isTaken(leaves, index, known.subarray(1))
      )
    }),
    { numRuns: 200 },
  )
  t.notOk(areLeavesOf(Buffer.alloc(0), 0, 0, Buffer.alloc(32)), 'an empty file has no pieces')
  t.end()
})

test('leaf hashes: pieces and leaves of impossible sizes → refused', (t) => {
  t.throws(() => leafHashes(Buffer.alloc(0)), /a piece of 0 bytes/)
  t.throws(() => leafHashes(Buffer.alloc(PIECE_BYTES + 1)), /a piece of 262145 bytes/)
  for (const bytes of [0, 31, 33, 17 * 32]) {
    t.throws(() => pieceHashOf(Buffer.alloc(bytes), PIECE_BYTES), new RegExp(`${bytes} bytes of leaf hashes`))
  }
  t.end()
})
