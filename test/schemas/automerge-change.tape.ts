/** Bytes of a change from a stranger: read within bounds, or EVENT_INVALID. Never an exception of another kind. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import test from 'tape'
import { type AutomergeChange, decodeChange } from '../../schemas/automerge-change.ts'
import { encodeChange } from '../../schemas/automerge-encode.ts'
import { CHANGE_BYTES_MAX } from '../../schemas/limits.ts'
import { digestHex } from '../../schemas/units.ts'
import { golden } from '../helpers/golden.ts'
import { maintainerKey } from '../helpers/offline-maintainers.ts'
import { refusalOf } from '../helpers/refusal.ts'

const ACTOR = maintainerKey(0)

const SAMPLE: Omit<AutomergeChange, 'hash'> = {
  actor: ACTOR,
  seq: 300,
  startOp: 70_000,
  timeMs: 1_700_000_000_000,
  message: 'fixed in 5.2-2',
  deps: [digestHex(Buffer.alloc(32, 1)), digestHex(Buffer.alloc(32, 2))],
  ops: [
    {
      path: 'package/bash/pin',
      value: '5.2-1',
      over: [
        { actor: ACTOR, counter: 3 },
        { actor: maintainerKey(1), counter: 400 },
      ],
    },
    { path: 'package/bash/description', value: 'Größer\nals', over: [] },
    { path: 'package/bash/note', value: null, over: [{ actor: maintainerKey(1), counter: 9 }] },
  ],
}

/** The chunk with another body, and the right checksum and length for it. */
function withBody(change: Buffer, alter: (body: Buffer) => Buffer): Buffer {
  const body = alter(Buffer.from(change.subarray(11))) // magic, checksum, type, two bytes of length
  const length = Buffer.of((body.byteLength & 0x7f) | 0x80, body.byteLength >> 7)
  const hashed = Buffer.concat([Buffer.of(1), length, body])
  const checksum = createHash('sha256').update(hashed).digest().subarray(0, 4)
  return Buffer.concat([change.subarray(0, 4), checksum, hashed])
}

test('change: what is encoded → decodes to the same, and is the golden bytes', (t) => {
  const encoded = encodeChange(SAMPLE)
  const { hash, ...decoded } = decodeChange(encoded)
  t.deepEqual(decoded, SAMPLE)
  t.equal(hash.slice(0, 8), encoded.subarray(4, 8).toString('hex'))
  t.equal(encoded.toString('hex'), golden('metadata')['change']?.['1'])
  t.end()
})

test('change: every single bit flipped → EVENT_INVALID; Automerge itself takes half of them', (t) => {
  const encoded = encodeChange(SAMPLE)
  const wrong: string[] = []
  for (let bit = 0; bit < encoded.byteLength * 8; bit++) {
    const flipped = Buffer.from(encoded)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    if (refusalOf(() => decodeChange(flipped)) !== 'EVENT_INVALID') wrong.push(`bit ${bit}`)
  }
  t.deepEqual(wrong, [])
  t.end()
})

test('change: body altered and the checksum made right → another change in canonical form, or EVENT_INVALID', (t) => {
  const encoded = encodeChange(SAMPLE)
  fc.assert(
    fc.property(fc.nat(encoded.byteLength - 12), fc.nat(255), fc.nat(3), (at, byte, kind) => {
      const altered = withBody(encoded, (body) => {
        if (kind === 0) return body.subarray(0, at)
        if (kind === 1) return Buffer.concat([body.subarray(0, at), Buffer.of(byte), body.subarray(at)])
        body[at] = byte
        return body
      })
      try {
        return encodeChange(decodeChange(altered)).equals(altered)
      } catch (error) {
        return (error as { code?: string }).code === 'EVENT_INVALID'
      }
    }),
    { numRuns: 5_000 },
  )
  t.pass('5000 bodies')
  t.end()
})

test('change: 20 bytes that stand for a billion operations, packed columns, too long → EVENT_INVALID at once', (t) => {
  const encoded = encodeChange(SAMPLE)
  const action = Buffer.of(0x42, 4) // column of actions, four bytes: two sets, one delete
  const bomb = withBody(encoded, (body) => {
    const at = body.lastIndexOf(Buffer.of(2, 1, 0x7f, 3))
    const head = body.indexOf(action)
    body[head + 1] = 6
    return Buffer.concat([body.subarray(0, at), Buffer.of(0xff, 0xff, 0xff, 0xff, 3, 1), body.subarray(at + 4)])
  })
  t.equal(
    refusalOf(() => decodeChange(bomb)),
    'EVENT_INVALID',
  )
  const packed = withBody(encoded, (body) => {
    body[body.indexOf(action)] = 0x42 | 8 // DEFLATE
    return body
  })
  t.equal(
    refusalOf(() => decodeChange(packed)),
    'EVENT_INVALID',
  )
  const compressed = Buffer.from(encoded)
  compressed[8] = 2 // a chunk in DEFLATE
  t.equal(
    refusalOf(() => decodeChange(compressed)),
    'EVENT_INVALID',
  )
  t.equal(
    refusalOf(() => decodeChange(Buffer.alloc(CHANGE_BYTES_MAX + 1))),
    'EVENT_INVALID',
  )
  t.end()
})
