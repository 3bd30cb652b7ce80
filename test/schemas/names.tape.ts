/** The small ones: names of channels, digests and keys as text, how many pieces an artifact has. */
import fc from 'fast-check'
import test from 'tape'
import { pieceByteLength, pieceCount } from '../../schemas/artifact.ts'
import { isChannelName, requireChannelName } from '../../schemas/channel-name.ts'
import { CHANNEL_NAME_BYTES_MAX, PIECE_BYTES } from '../../schemas/limits.ts'
import { digestHex, keyHex, parseDigest } from '../../schemas/units.ts'
import { refusalOf } from '../helpers/refusal.ts'

test('channel name: what suites are called → accepted', (t) => {
  for (const name of ['a', '7', 'bookworm', 'debian-12.4', 'c++', 'x'.repeat(CHANNEL_NAME_BYTES_MAX)]) {
    t.equal(requireChannelName(name), name)
  }
  t.end()
})

test('channel name: paths, capitals, blanks, more than 64 → CHANNEL_NAME_INVALID', (t) => {
  const bad = ['', '.', '..', '-a', '.a', 'a/b', 'a\\b', 'A', 'ä', 'a b', 'a@1', 'a\n', 'a\0', 'x'.repeat(65)]
  for (const name of bad)
    t.equal(
      refusalOf(() => requireChannelName(name)),
      'CHANNEL_NAME_INVALID',
      JSON.stringify(name),
    )
  t.end()
})

test('channel name: any text that is accepted → safe as part of a path and of a URL', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9+._@/-]{0,70}$/)), (text) => {
      return !isChannelName(text) || (encodeURI(text) === text && !text.includes('/') && !text.startsWith('.'))
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 texts')
  t.end()
})

test('units: 32 bytes → 64 lower-case digits, of a view only its own bytes', (t) => {
  const whole = Buffer.from(Array.from({ length: 96 }, (_, i) => i))
  const view = whole.subarray(32, 64)
  t.equal(digestHex(view), view.toString('hex'))
  t.equal(keyHex(new Uint8Array(view)), view.toString('hex'))
  t.equal(parseDigest(digestHex(view)), digestHex(view))
  t.throws(() => digestHex(whole), TypeError)
  t.throws(() => keyHex(Buffer.alloc(31)), TypeError)
  t.end()
})

test('units: anything but 64 lower-case digits → no digest', (t) => {
  for (const text of [
    '',
    'ab',
    'A'.repeat(64),
    'g'.repeat(64),
    'a'.repeat(63),
    'a'.repeat(65),
    `${'a'.repeat(64)}\n`,
  ]) {
    t.equal(parseDigest(text), null, JSON.stringify(text))
  }
  t.end()
})

test('artifact: any size → the pieces cover it exactly, all but the last of full size', (t) => {
  t.equal(pieceCount(0), 0)
  t.equal(pieceCount(1), 1)
  t.equal(pieceCount(PIECE_BYTES), 1)
  t.equal(pieceCount(PIECE_BYTES + 1), 2)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 * PIECE_BYTES }), (byteLength) => {
      const sizes = Array.from({ length: pieceCount(byteLength) }, (_, i) => pieceByteLength(byteLength, i))
      const last = sizes.pop() ?? 0
      return (
        last > 0 &&
        last <= PIECE_BYTES &&
        sizes.every((size) => size === PIECE_BYTES) &&
        sizes.length * PIECE_BYTES + last === byteLength
      )
    }),
  )
  t.end()
})
