import { createHash } from 'node:crypto'
import fc from 'fast-check'
import test from 'tape'
import { LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'
import { leafHash } from '../../schemas/leaf-hashes.ts'
import { isLayerOf, pieceHash, PieceTreeBuilder, type PieceTree, piecesRoot } from '../../schemas/piece-tree.ts'

function sha256(...parts: Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

/** BEP 52 word for word: one tree over all leaves, padded with zeros to a power of two; the layer is cut out of it. */
function naive(file: Buffer): { root: Buffer; layer: Buffer } {
  let level: Buffer[] = []
  for (let at = 0; at < file.length; at += 16384) level.push(sha256(file.subarray(at, at + 16384)))
  const pieces = Math.ceil(file.length / 262144)
  let width = 1
  while (width < level.length) width *= 2
  while (level.length < width) level.push(Buffer.alloc(32))
  let layer: Buffer = Buffer.alloc(0)
  for (let span = 16384; ; span *= 2) {
    if (span === 262144) layer = Buffer.concat(level.slice(0, pieces))
    if (level.length === 1) return { root: level[0] ?? Buffer.alloc(32), layer }
    const above: Buffer[] = []
    for (let i = 0; i < level.length; i += 2) above.push(sha256(level[i]!, level[i + 1]!))
    level = above
  }
}

/** Bytes that differ from leaf to leaf and do not need a large random source. */
function fileOf(byteLength: number): Buffer {
  const file = Buffer.alloc(byteLength)
  for (let at = 0; at < byteLength; at += 1021) file.writeUInt8(((at * 2654435761) >>> 16) & 0xff, at)
  return file
}

function build(file: Buffer, chunkBytes: number): PieceTree {
  const builder = new PieceTreeBuilder()
  for (let at = 0; at < file.length; at += chunkBytes) builder.update(file.subarray(at, at + chunkBytes))
  return builder.finish()
}

// Made with another implementation (Python, hashlib). Zeros are where a wrong padding is easily missed.
const GOLDEN_ZEROS = '673ef4b5adef0c429c2926da77825eb004f7812f1d39bdc68424c29261acd10a'
const GOLDEN_MEGABYTE = '0c95cfa294063494ba7d18c807ac3b81a12b17ca7df6e0c0757c55f0c2a71113'
const GOLDEN_TWO_BLOCKS = '477e14ff3453ec4ec3855f8753cb07288aade5618a473ccc2ab1208886e460ec'
const GOLDEN_SMALL = '07efc5b5e3d2b65e34c439fd9ddb0923a0ece9283dfb88726d2513abc8d85888'
const GOLDEN_ONE_PIECE = '781fe8c37b521157d521a7572a5afd67cd8eb8a9c8544e92e08ff9cfa2d8be84'

const ABOVE_ONE_PIECE = [
  PIECE_BYTES + 1,
  PIECE_BYTES + LEAF_BYTES,
  2 * PIECE_BYTES - 1,
  2 * PIECE_BYTES,
  2 * PIECE_BYTES + 1,
  3 * PIECE_BYTES,
  5 * PIECE_BYTES + 3 * LEAF_BYTES + 7,
  8 * PIECE_BYTES,
]

test('piece tree: files of several pieces → root and layer of the naive tree', (t) => {
  for (const byteLength of ABOVE_ONE_PIECE) {
    const file = fileOf(byteLength)
    const expected = naive(file)
    const tree = build(file, 65536)
    t.ok(tree.piecesRoot?.equals(expected.root), `root of ${byteLength} bytes`)
    t.ok(tree.layer.equals(expected.layer), `layer of ${byteLength} bytes`)
    t.equal(tree.digest, sha256(file).toString('hex'))
    t.equal(tree.byteLength, byteLength)
    const hashes: Buffer[] = []
    for (let at = 0; at < byteLength; at += PIECE_BYTES) hashes.push(pieceHash(file.subarray(at, at + PIECE_BYTES)))
    t.ok(Buffer.concat(hashes).equals(tree.layer), 'pieces hashed one by one give the layer')
    t.ok(piecesRoot(tree.layer).equals(expected.root), 'the layer gives the root')
  }
  t.end()
})

test('piece tree: golden roots → unchanged', (t) => {
  t.equal(build(Buffer.alloc(2 * PIECE_BYTES + 1), 1 << 20).piecesRoot?.toString('hex'), GOLDEN_ZEROS)
  t.equal(build(fileOf(1_000_000), 1 << 20).piecesRoot?.toString('hex'), GOLDEN_MEGABYTE)
  t.equal(build(Buffer.alloc(LEAF_BYTES + 1), 1 << 20).piecesRoot?.toString('hex'), GOLDEN_TWO_BLOCKS)
  t.equal(build(fileOf(59_000), 1 << 20).piecesRoot?.toString('hex'), GOLDEN_SMALL)
  t.equal(build(fileOf(PIECE_BYTES), 1 << 20).piecesRoot?.toString('hex'), GOLDEN_ONE_PIECE)
  t.equal(leafHash(Buffer.alloc(0)).toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  t.end()
})

test('piece tree: files of at most one block → no layer, no root', (t) => {
  for (const byteLength of [0, 1, LEAF_BYTES - 1, LEAF_BYTES]) {
    const file = fileOf(byteLength)
    const tree = build(file, 65536)
    t.equal(tree.piecesRoot, null)
    t.equal(tree.layer.length, 0)
    t.equal(tree.digest, sha256(file).toString('hex'), `${byteLength} bytes`)
    if (byteLength > 0) t.equal(naive(file).root.toString('hex'), tree.digest, 'the root would be the SHA-256')
  }
  t.end()
})

test('piece tree: files of a single piece → the root of the naive tree, no layer', (t) => {
  const sizes = [
    LEAF_BYTES + 1,
    2 * LEAF_BYTES,
    3 * LEAF_BYTES,
    4 * LEAF_BYTES + 1,
    59_000,
    PIECE_BYTES - 1,
    PIECE_BYTES,
  ]
  for (const byteLength of sizes) {
    const file = fileOf(byteLength)
    for (const chunkBytes of [1000, LEAF_BYTES, 1 << 20]) {
      const tree = build(file, chunkBytes)
      t.ok(tree.piecesRoot?.equals(naive(file).root), `root of ${byteLength} bytes`)
      t.equal(tree.layer.length, 0)
      t.equal(tree.digest, sha256(file).toString('hex'))
    }
  }
  t.end()
})

test('piece tree: the same file in any chunks → the same tree', (t) => {
  const file = fileOf(3 * PIECE_BYTES + 12345)
  const expected = build(file, file.length)
  const cuts = fc.array(fc.nat({ max: file.length }), { maxLength: 8 }).map((at) => at.toSorted((a, b) => a - b))
  fc.assert(
    fc.property(cuts, (ends) => {
      const builder = new PieceTreeBuilder()
      let at = 0
      for (const end of [...ends, file.length]) {
        const chunk = Buffer.from(file.subarray(at, end))
        builder.update(chunk)
        chunk.fill(0xff) // the builder must not look again
        at = end
      }
      const tree = builder.finish()
      return tree.digest === expected.digest && tree.layer.equals(expected.layer)
    }),
    { numRuns: 30 },
  )
  for (const chunkBytes of [16383, 16385, 100_000])
    t.ok(build(file, chunkBytes).layer.equals(expected.layer), `by ${chunkBytes}`)
  t.end()
})

test('piece tree: a layer with any change → not verified', (t) => {
  const { layer, piecesRoot: root } = build(fileOf(5 * PIECE_BYTES), 65536)
  if (root === null) throw new Error('five pieces have a root')
  t.ok(isLayerOf(layer, 5, root))
  for (let at = 0; at < layer.length; at += 31) {
    const changed = Buffer.from(layer)
    changed.writeUInt8((changed[at] ?? 0) ^ 1, at)
    if (isLayerOf(changed, 5, root)) t.fail(`byte ${at}`)
  }
  t.notOk(isLayerOf(layer, 6, root), 'another number of pieces')
  t.notOk(isLayerOf(layer.subarray(32), 4, root), 'a piece less')
  t.notOk(isLayerOf(Buffer.concat([layer, layer.subarray(0, 32)]), 6, root), 'a piece more')
  t.notOk(isLayerOf(layer.subarray(1), 5, root), 'not a multiple of 32')
  t.notOk(isLayerOf(Buffer.alloc(0), 0, root), 'nothing')
  t.notOk(isLayerOf(root, 1, root), 'the root itself')
  t.notOk(isLayerOf(layer, 5, root.subarray(0, 31)), 'a cut root')
  t.end()
})

test('piece tree: pieces and layers of impossible sizes → refused', (t) => {
  t.throws(() => pieceHash(Buffer.alloc(0)), /a piece of 0 bytes/)
  t.throws(() => pieceHash(Buffer.alloc(PIECE_BYTES + 1)), /a piece of 262145 bytes/)
  t.throws(() => piecesRoot(Buffer.alloc(32)), /a piece layer of 32 bytes/)
  t.end()
})
