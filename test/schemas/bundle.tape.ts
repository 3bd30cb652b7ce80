import fc from 'fast-check'
import test from 'tape'
import { Bundle } from '../../schemas/bundle.ts'
import { LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'

const file = (byteLength: number): { byteLength: number; checksBlocks: boolean } => ({ byteLength, checksBlocks: true })

test('a bundle of nothing, and of empty files only, has no pieces', (t) => {
  for (const bundle of [new Bundle([]), new Bundle([file(0), file(0)])]) {
    t.same([bundle.pieces, bundle.blocks, bundle.byteLength], [0, 0, 0])
  }
  t.end()
})

test('pieces never span two files, and an empty file in between moves nothing', (t) => {
  const bundle = new Bundle([file(PIECE_BYTES + 1), file(0), file(10)])
  t.equal(bundle.pieces, 3)
  t.equal(bundle.blocks, 16 + 1 + 1)
  t.same(
    [0, 1, 2].map((piece) => bundle.fileOf(piece)),
    [0, 0, 2],
  )
  t.same(
    [0, 1, 2].map((piece) => bundle.pieceBytes(piece)),
    [PIECE_BYTES, 1, 10],
  )
  t.same(bundle.piecesOf(1), { first: 2, count: 0 })
  t.same(bundle.blocksOf(1), { first: 16, count: 1 })
  t.same(
    [15, 16, 17].map((block) => bundle.blockBytes(block)),
    [LEAF_BYTES, 1, 10],
  )
  t.end()
})

test('a file of 1.5 GB counts as it should', (t) => {
  const bundle = new Bundle([file(1_500_000_000)])
  t.equal(bundle.pieces, Math.ceil(1_500_000_000 / PIECE_BYTES))
  t.equal(bundle.blocks, Math.ceil(1_500_000_000 / LEAF_BYTES))
  t.end()
})

test('property: the blocks of the pieces are all blocks, in order, and their bytes are the bytes of the files', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 * PIECE_BYTES }), { maxLength: 20 }), (sizes) => {
      const bundle = new Bundle(sizes.map(file))
      let next = 0
      let bytes = 0
      for (let piece = 0; piece < bundle.pieces; piece++) {
        const { first, count } = bundle.blocksOf(piece)
        const { first: firstPiece, count: pieces } = bundle.piecesOf(bundle.fileOf(piece))
        if (first !== next || count < 1 || piece < firstPiece || piece >= firstPiece + pieces) return false
        for (let block = first; block < first + count; block++) {
          if (bundle.pieceOf(block) !== piece) return false
          bytes += bundle.blockBytes(block)
        }
        next += count
      }
      return next === bundle.blocks && bytes === sizes.reduce((sum, size) => sum + size, 0)
    }),
  )
  t.end()
})
