import test from 'tape'
import type { Artifact } from '../../schemas/artifact.ts'
import { bundleOf, cutBundles } from '../../schemas/bundle-files.ts'
import { BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX, LEAF_BYTES } from '../../schemas/limits.ts'
import { digestHex } from '../../schemas/units.ts'

function artifact(id: number, byteLength: number, piecesRoot: Buffer | null = null): Artifact {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(id)
  return { digest: digestHex(digest), byteLength, piecesRoot }
}

function sizes(parts: readonly (readonly Artifact[])[]): number[] {
  return parts.map(({ length }) => length)
}

test('no files make no bundle', (t) => {
  t.same(cutBundles([]), [])
  t.end()
})

test('a file that occurs again counts once, in its first place', (t) => {
  const [a, b] = [artifact(1, 10), artifact(2, 10)]
  t.same(cutBundles([a, b, a, artifact(1, 99), b]), [[a, b]])
  t.end()
})

test('a bundle has so many files, and the next has the rest', (t) => {
  const files = Array.from({ length: BUNDLE_FILES_MAX + 1 }, (_, id) => artifact(id, 1))
  t.same(sizes(cutBundles(files)), [BUNDLE_FILES_MAX, 1])
  t.end()
})

test('a bundle of several files has so many bytes; a larger file is one of its own', (t) => {
  const half = BUNDLE_BYTES_MAX / 2
  t.same(sizes(cutBundles([artifact(1, half), artifact(2, half)])), [2])
  t.same(sizes(cutBundles([artifact(1, half), artifact(2, half + 1)])), [1, 1])
  t.same(sizes(cutBundles([artifact(1, 1), artifact(2, 3 * BUNDLE_BYTES_MAX), artifact(3, 1)])), [1, 1, 1])
  t.end()
})

test('blocks are checked where a root leads to them, or where one block is the file', (t) => {
  const files = [artifact(1, LEAF_BYTES), artifact(2, LEAF_BYTES + 1), artifact(3, LEAF_BYTES + 1, Buffer.alloc(32))]
  t.same(
    bundleOf(files).files.map(({ checksBlocks }) => checksBlocks),
    [true, false, true],
  )
  t.end()
})
