import test from 'tape'
import { bitsByteLength, decodePieceMap, encodePieceMap, hasBit, putBit } from '../../store/piece-map.ts'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { fixture, withoutRoot } from '../helpers/pool-fixtures.ts'

const some = fixture(9 * PIECE_BYTES + 5, 1)

function bitsWith(...indexes: number[]): Buffer {
  const bits = Buffer.alloc(bitsByteLength(10))
  for (const index of indexes) putBit(bits, index, true)
  return bits
}

test('piece map: written and read → the same, with and without a layer', (t) => {
  const layered = { artifact: some.artifact, layer: some.layer, bits: bitsWith() }
  t.deepEqual(decodePieceMap(encodePieceMap(layered)), layered)
  const bare = { artifact: withoutRoot(some), layer: null, bits: bitsWith(0, 7, 8, 9) }
  t.deepEqual(decodePieceMap(encodePieceMap(bare)), bare)
  t.end()
})

test('piece map: cut short at any byte → null', (t) => {
  const bytes = encodePieceMap({ artifact: some.artifact, layer: some.layer, bits: bitsWith(3) })
  const read = Array.from(bytes, (_, length) => decodePieceMap(bytes.subarray(0, length)))
  t.ok(read.every((map) => map === null))
  t.end()
})

test('piece map: any one bit flipped → null', (t) => {
  const bytes = encodePieceMap({ artifact: withoutRoot(some), layer: null, bits: bitsWith(3) })
  let read = 0
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const altered = Buffer.from(bytes)
    altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (decodePieceMap(altered) !== null) read += 1
  }
  t.equal(read, 0)
  t.end()
})

test('piece map: bits put and taken → only those set', (t) => {
  const bits = bitsWith(0, 8, 9)
  putBit(bits, 8, false)
  t.deepEqual(
    [0, 1, 8, 9].map((index) => hasBit(bits, index)),
    [true, false, false, true],
  )
  t.end()
})
