import fc from 'fast-check'
import test from 'tape'
import { chooseRange, contentRange } from '../../protocols/gateway-range.ts'

const parts = (...ranges: [number, number][]) => ({
  kind: 'parts',
  ranges: ranges.map(([start, end]) => ({ start, end })),
})

test('gateway range: the examples of RFC 9110 section 14.1.2 → their bytes', (t) => {
  t.deepEqual(chooseRange('bytes=0-499', 10_000), parts([0, 500]))
  t.deepEqual(chooseRange('bytes=500-999', 10_000), parts([500, 1000]))
  t.deepEqual(chooseRange('bytes=-500', 10_000), parts([9500, 10_000]))
  t.deepEqual(chooseRange('bytes=9500-', 10_000), parts([9500, 10_000]))
  t.deepEqual(chooseRange('bytes=0-0,-1', 10_000), parts([0, 1], [9999, 10_000]))
  t.deepEqual(chooseRange('bytes= 0-999, 4500-5499, -1000', 10_000), parts([0, 1000], [4500, 5500], [9000, 10_000]))
  t.equal(contentRange({ start: 0, end: 500 }, 10_000), 'bytes 0-499/10000')
  t.end()
})

test('gateway range: outside the file → unsatisfiable, or left out beside one that is inside', (t) => {
  t.deepEqual(chooseRange('bytes=100-', 100), { kind: 'unsatisfiable' })
  t.deepEqual(chooseRange('bytes=-0', 100), { kind: 'unsatisfiable' })
  t.deepEqual(chooseRange('bytes=0-', 0), { kind: 'unsatisfiable' })
  t.deepEqual(chooseRange('bytes=-5', 0), { kind: 'unsatisfiable' })
  t.deepEqual(chooseRange('bytes=200-300,0-1', 100), parts([0, 2]))
  t.deepEqual(chooseRange(`bytes=${'9'.repeat(400)}-`, 100), { kind: 'unsatisfiable' })
  t.deepEqual(chooseRange('bytes=90-99999999999999999999', 100), parts([90, 100]))
  t.deepEqual(chooseRange('bytes=-500', 100), parts([0, 100]))
  t.end()
})

test('gateway range: malformed, or another unit → the whole file', (t) => {
  for (const header of ['bytes=', 'bytes=-', 'bytes=5-4', 'bytes=a-b', 'bytes 0-1', 'items=0-1', 'bytes=0-1;2-3', '']) {
    t.deepEqual(chooseRange(header, 100), { kind: 'whole' }, header)
  }
  t.end()
})

test('gateway range: many or overlapping → no more bytes than the file has', (t) => {
  t.deepEqual(chooseRange(`bytes=${Array(17).fill('0-0').join(',')}`, 100), { kind: 'unsatisfiable' })
  t.deepEqual(chooseRange('bytes=0-,0-', 100), { kind: 'whole' })
  fc.assert(
    fc.property(fc.nat(50), fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 20 }), (byteLength, pairs) => {
      const choice = chooseRange(`bytes=${pairs.map(([first, last]) => `${first}-${last}`).join(',')}`, byteLength)
      if (choice.kind !== 'parts') return true
      const sum = choice.ranges.reduce((total, { start, end }) => total + end - start, 0)
      const isInside = choice.ranges.every(({ start, end }) => start >= 0 && start < end && end <= byteLength)
      return isInside && choice.ranges.length <= 16 && (choice.ranges.length === 1 || sum <= byteLength)
    }),
  )
  t.end()
})
