import test from 'tape'
import { bundleOf } from '../../schemas/bundle-files.ts'
import { leafHashes } from '../../schemas/leaf-hashes.ts'
import { LEAF_BYTES, PIECE_BYTES } from '../../schemas/limits.ts'
import { ArrivingBlocks } from '../../protocols/arriving-blocks.ts'
import { fixture, type Fixture, withoutRoot } from '../helpers/pool-fixtures.ts'

const [HONEST, LIAR] = [1, 2]

function arriving(file: Fixture, root = true): ArrivingBlocks {
  const artifacts = [root ? file.artifact : withoutRoot(file)]
  return new ArrivingBlocks(bundleOf(artifacts), artifacts)
}

function block({ bytes }: Fixture, index: number): Buffer {
  return bytes.subarray(index * LEAF_BYTES, (index + 1) * LEAF_BYTES)
}

const SMALL = fixture(3 * LEAF_BYTES - 5, 1)
const LEAVES = leafHashes(SMALL.bytes)
const LARGE = fixture(2 * PIECE_BYTES, 2)
const WRONG = Buffer.alloc(LEAF_BYTES)

test('leaves, then blocks → each is right or wrong as it comes', (t) => {
  const blocks = arriving(SMALL)
  t.ok(blocks.needsLeaves(0))
  t.same(blocks.learnLeaves(HONEST, 0, LEAVES), { kept: [], lost: [], liars: new Set() })
  t.notOk(blocks.needsLeaves(0))
  t.same(blocks.add(HONEST, 1, block(SMALL, 1)).kept, [1])
  t.ok(blocks.block(1)?.equals(block(SMALL, 1)))
  t.same(blocks.add(LIAR, 0, WRONG), { kept: [], lost: [0], liars: new Set([LIAR]) })
  t.equal(blocks.whole(0), null)
  blocks.add(HONEST, 0, block(SMALL, 0))
  blocks.add(HONEST, 2, block(SMALL, 2))
  t.same([blocks.whole(0)?.bytes.equals(SMALL.bytes), blocks.whole(0)?.unchecked], [true, []])
  t.end()
})

test('blocks, then leaves → they wait unchecked, and nobody is given them', (t) => {
  const blocks = arriving(SMALL)
  blocks.add(HONEST, 0, block(SMALL, 0))
  blocks.add(LIAR, 1, WRONG)
  t.same([blocks.has(0), blocks.block(0)], [true, null])
  t.same(blocks.learnLeaves(HONEST, 0, LEAVES), { kept: [0], lost: [1], liars: new Set([LIAR]) })
  t.end()
})

test('wrong leaves → their sender lies, and right ones still count', (t) => {
  const blocks = arriving(SMALL)
  for (const wrong of [Buffer.alloc(LEAVES.byteLength), LEAVES.subarray(32), Buffer.alloc(0)]) {
    t.same([...blocks.learnLeaves(LIAR, 0, wrong).liars], [LIAR])
  }
  t.same([...blocks.learnLeaves(HONEST, 0, LEAVES).liars], [])
  t.end()
})

test('a layer that comes late → what was said of leaves is judged, and blocks with them', (t) => {
  const blocks = arriving(LARGE)
  t.same(blocks.learnLeaves(LIAR, 0, Buffer.alloc(16 * 32)).liars.size, 0, 'nothing tells yet')
  blocks.learnLeaves(HONEST, 0, leafHashes(LARGE.piece(0)))
  blocks.add(HONEST, 3, block(LARGE, 3))
  t.same(blocks.learnLayer(0, LARGE.layer), { kept: [3], lost: [], liars: new Set([LIAR]) })
  t.end()
})

test('a file without a root → whole pieces, unchecked, with who sent them', (t) => {
  const blocks = arriving(SMALL, false)
  t.notOk(blocks.needsLeaves(0))
  for (const [index, sender] of [HONEST, LIAR, HONEST].entries()) blocks.add(sender, index, block(SMALL, index))
  t.same([blocks.whole(0)?.unchecked, blocks.whole(0)?.senders], [[0, 1, 2], new Set([HONEST, LIAR])])
  t.same(blocks.forgetSender(LIAR), [1])
  t.equal(blocks.whole(0), null)
  t.end()
})

test('a file of one block → its SHA-256 tells', (t) => {
  const file = fixture(100, 3)
  t.same(arriving(file).add(HONEST, 0, file.bytes).kept, [0])
  t.same([...arriving(file).add(LIAR, 0, Buffer.alloc(100)).liars], [LIAR])
  t.end()
})

test('a block that is here already → the second one changes nothing', (t) => {
  const blocks = arriving(SMALL)
  blocks.add(HONEST, 0, block(SMALL, 0))
  t.same(blocks.add(LIAR, 0, WRONG), { kept: [], lost: [], liars: new Set() })
  t.same(blocks.learnLeaves(HONEST, 0, LEAVES).kept, [0])
  t.end()
})
