import fc from 'fast-check'
import test from 'tape'
import { FreshetError } from '../../schemas/errors.ts'
import { NumberSet } from '../../schemas/number-set.ts'

function setOf(bound: number, values: Iterable<number>): NumberSet {
  const set = new NumberSet(bound)
  for (const value of values) set.add(value)
  return set
}

test('property: it holds what was added and not deleted, in order, and counts it', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(299)), fc.uniqueArray(fc.nat(299)), (added, deleted) => {
      const set = setOf(300, added)
      for (const value of deleted) set.delete(value)
      const expected = added.filter((value) => !deleted.includes(value)).sort((a, b) => a - b)
      return set.size === expected.length && [...set].join() === expected.join()
    }),
  )
  t.end()
})

test('property: what is encoded is decoded, and takes at most a byte more than its bits', (t) => {
  fc.assert(
    fc.property(fc.nat(600), fc.uniqueArray(fc.nat(599)), (bound, values) => {
      const set = setOf(bound, values)
      const record = set.encode()
      return [...NumberSet.decode(record, bound)].join() === [...set].join() && record.byteLength <= bound / 8 + 2
    }),
  )
  t.end()
})

test('long runs take few bytes', (t) => {
  t.same([...new NumberSet(100_000).encode()], [0])
  t.ok(NumberSet.full(100_000).encode().byteLength <= 5)
  t.end()
})

test('property: bytes that encode did not write are refused with a code', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(200), (record, bound) => {
      try {
        return NumberSet.decode(record, bound).encode().equals(record)
      } catch (error) {
        return error instanceof FreshetError && error.code === 'EVENT_INVALID'
      }
    }),
    { numRuns: 2_000 },
  )
  t.end()
})

test('numbers beyond the bound are neither taken nor there', (t) => {
  const set = new NumberSet(9)
  t.notOk(set.add(9))
  t.notOk(set.has(9))
  t.equal(set.size, 0)
  t.end()
})
