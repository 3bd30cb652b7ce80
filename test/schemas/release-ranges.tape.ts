import fc from 'fast-check'
import test from 'tape'
import { intersectionOf, unionOf, type ReleaseRange } from '../../schemas/release-ranges.ts'

const range = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.nat({ max: 6 })).map(([first, more]) => ({
  first,
  last: first + more,
}))
const ranges = fc.array(range, { maxLength: 6 })

function members(of: readonly ReleaseRange[]): Set<number> {
  const found = new Set<number>()
  for (const { first, last } of of) for (let number = first; number <= last; number++) found.add(number)
  return found
}

test('release ranges: any ranges → their union, ascending, with gaps between', (t) => {
  fc.assert(
    fc.property(ranges, (some) => {
      const union = unionOf(some)
      const apart = union.every(({ first }, i) => i === 0 || first > (union[i - 1] as ReleaseRange).last + 1)
      const [expected, found] = [members(some), members(union)]
      return apart && expected.size === found.size && [...expected].every((number) => found.has(number))
    }),
  )
  t.pass('the same releases')
  t.end()
})

test('release ranges: two sets → exactly what is in both', (t) => {
  fc.assert(
    fc.property(ranges, ranges, (some, others) => {
      const [a, b] = [unionOf(some), unionOf(others)]
      const both = members(intersectionOf(a, b))
      return [...members(a)].filter((number) => members(b).has(number)).length === both.size
    }),
  )
  t.deepEqual(intersectionOf([{ first: 1, last: 5 }], [{ first: 5, last: 9 }]), [{ first: 5, last: 5 }])
  t.end()
})
