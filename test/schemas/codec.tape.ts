import fc from 'fast-check'
import test from 'tape'
import {
  bytes,
  decodeRecord,
  encodeRecord,
  fixed32,
  list,
  nullable,
  oneOf,
  struct,
  text,
  timeMs,
  uint,
  type Codec,
} from '../../schemas/codec.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { TIME_MS_MAX } from '../../schemas/limits.ts'
import { refusalOf } from '../helpers/refusal.ts'

const everything = struct({
  count: uint,
  atMs: timeMs,
  key: fixed32,
  blob: bytes(32),
  name: text(16),
  kind: oneOf(['red', 'green', 'blue']),
  numbers: list(uint, 8),
  maybe: nullable(list(nullable(text(4)), 3)),
})

const encodable = fc.record({
  count: fc.maxSafeNat(),
  atMs: fc.nat({ max: TIME_MS_MAX }),
  key: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value)),
  blob: fc.uint8Array({ maxLength: 32 }).map((value) => Buffer.from(value)),
  name: fc.string({ unit: 'grapheme', maxLength: 4 }).filter((value) => Buffer.byteLength(value) <= 16),
  kind: fc.constantFrom('red' as const, 'green' as const, 'blue' as const),
  numbers: fc.array(fc.maxSafeNat(), { maxLength: 8 }),
  maybe: fc.option(fc.array(fc.option(fc.string({ unit: 'binary-ascii', maxLength: 4 })), { maxLength: 3 })),
})

const decoding = <T>(codec: Codec<T>, ...octets: number[]): string =>
  refusalOf(() => decodeRecord(codec, Buffer.of(...octets)))

test('codec: any value → decodes to what was encoded', (t) => {
  fc.assert(
    fc.property(encodable, (value) => {
      const decoded = decodeRecord(everything, encodeRecord(everything, value))
      return (
        encodeRecord(everything, decoded).equals(encodeRecord(everything, value)) &&
        fc.stringify(decoded) === fc.stringify({ ...value })
      )
    }),
    { numRuns: 300 },
  )
  t.pass('300 records')
  t.end()
})

test('codec: any bytes → decoded to a value of exactly these bytes, or EVENT_INVALID, never another error', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      try {
        return encodeRecord(everything, decodeRecord(everything, octets)).equals(octets)
      } catch (error) {
        return error instanceof FreshetError && error.code === 'EVENT_INVALID'
      }
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 byte strings')
  t.end()
})

test('codec: a record with one octet changed, lost or added → the value of just these bytes, or EVENT_INVALID', (t) => {
  fc.assert(
    fc.property(
      encodable,
      fc.nat(),
      fc.nat({ max: 255 }),
      fc.constantFrom('set', 'cut', 'add'),
      (value, at, octet, how) => {
        const record = encodeRecord(everything, value)
        const place = at % record.byteLength
        const bad =
          how === 'cut'
            ? record.subarray(0, place)
            : how === 'add'
              ? Buffer.concat([record, Buffer.of(octet)])
              : Buffer.from(record.map((known, i) => (i === place ? octet : known)))
        try {
          return encodeRecord(everything, decodeRecord(everything, bad)).equals(bad)
        } catch (error) {
          return error instanceof FreshetError && error.code === 'EVENT_INVALID'
        }
      },
    ),
    { numRuns: 1000 },
  )
  t.pass('1000 records')
  t.end()
})

test('codec: an integer written longer than need be → EVENT_INVALID', (t) => {
  t.equal(decodeRecord(uint, Buffer.of(0xfd, 0xfd, 0x00)), 253)
  t.equal(decoding(uint, 0xfd, 0x05, 0x00), 'EVENT_INVALID')
  t.equal(decoding(uint, 0xfe, 0x05, 0x00, 0x00, 0x00), 'EVENT_INVALID')
  t.equal(decoding(uint, 0xff, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00), 'EVENT_INVALID')
  t.end()
})

test('codec: an integer beyond 2^53-1, a moment beyond 48 bits → EVENT_INVALID', (t) => {
  t.equal(decodeRecord(uint, encodeRecord(uint, Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER)
  t.equal(decoding(uint, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00), 'EVENT_INVALID')
  t.equal(decoding(uint, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 'EVENT_INVALID')
  t.equal(decodeRecord(timeMs, encodeRecord(uint, TIME_MS_MAX)), TIME_MS_MAX)
  t.doesNotThrow(() => new Date(TIME_MS_MAX).toISOString(), 'the last moment can be shown')
  const late = encodeRecord(uint, TIME_MS_MAX + 1)
  t.equal(
    refusalOf(() => decodeRecord(timeMs, late)),
    'EVENT_INVALID',
  )
  t.equal(
    refusalOf(() => encodeRecord(timeMs, TIME_MS_MAX + 1)),
    'EVENT_INVALID',
  )
  t.end()
})

test('codec: truncated, or followed by more → EVENT_INVALID', (t) => {
  const record = encodeRecord(struct({ name: text(8), key: fixed32 }), { name: 'abc', key: Buffer.alloc(32, 1) })
  const codec = struct({ name: text(8), key: fixed32 })
  for (let end = 0; end < record.byteLength; end++) {
    if (refusalOf(() => decodeRecord(codec, record.subarray(0, end))) !== 'EVENT_INVALID') t.fail(`cut at ${end}`)
  }
  t.equal(
    refusalOf(() => decodeRecord(codec, Buffer.concat([record, Buffer.of(0)]))),
    'EVENT_INVALID',
  )
  t.end()
})

test('codec: bounds of bytes, text and list → kept both ways, at the bound accepted', (t) => {
  t.equal(decodeRecord(bytes(3), encodeRecord(bytes(3), Buffer.alloc(3))).byteLength, 3)
  t.equal(
    refusalOf(() => encodeRecord(bytes(3), Buffer.alloc(4))),
    'EVENT_INVALID',
  )
  t.equal(decoding(bytes(3), 4, 0, 0, 0, 0), 'EVENT_INVALID')
  t.equal(
    refusalOf(() => encodeRecord(text(3), 'äö')),
    'EVENT_INVALID',
    'the bound of a text is in bytes',
  )
  t.deepEqual(decodeRecord(list(uint, 2), Buffer.of(2, 7, 8)), [7, 8])
  t.equal(decoding(list(uint, 2), 3, 7, 8, 9), 'EVENT_INVALID')
  t.equal(
    refusalOf(() => encodeRecord(list(uint, 2), [1, 2, 3])),
    'EVENT_INVALID',
  )
  t.equal(
    refusalOf(() => encodeRecord(fixed32, Buffer.alloc(31))),
    'EVENT_INVALID',
  )
  t.end()
})

test('codec: a count that the record cannot hold → refused before anything is allocated', (t) => {
  const before = process.memoryUsage().heapUsed
  t.equal(decoding(list(uint, 2 ** 40), 0xfe, 0xff, 0xff, 0xff, 0x7f, 1, 2), 'EVENT_INVALID')
  t.ok(process.memoryUsage().heapUsed - before < 16 * 1024 * 1024)
  t.end()
})

test('codec: text that is not UTF-8, a flag of 2, an unknown name → EVENT_INVALID', (t) => {
  t.equal(decoding(text(8), 1, 0xff), 'EVENT_INVALID')
  t.equal(decoding(text(8), 2, 0xc0, 0x80), 'EVENT_INVALID', 'NUL written in two octets')
  t.equal(decoding(text(8), 3, 0xed, 0xa0, 0x80), 'EVENT_INVALID', 'half of a surrogate pair')
  t.equal(decodeRecord(text(8), Buffer.of(3, 0xef, 0xbb, 0xbf)), '\ufeff', 'a byte order mark is a character')
  t.equal(decoding(nullable(uint), 2, 0), 'EVENT_INVALID')
  t.equal(decoding(oneOf(['a', 'b']), 2), 'EVENT_INVALID')
  t.end()
})

test('codec: a decoded buffer → a copy, which a change of the block does not reach', (t) => {
  const record = encodeRecord(bytes(8), Buffer.from('abc'))
  const value = decodeRecord(bytes(8), record)
  record.fill(0)
  t.equal(value.toString(), 'abc')
  t.end()
})
