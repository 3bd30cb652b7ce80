import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import test from 'tape'
import { StanzaCopies } from '../../schemas/stanza-copies.ts'
import { refusalOf } from '../helpers/refusal.ts'

test('stanza copies: runs → the same stanzas, from copies where there are, joined where those continue each other', (t) => {
  const copies = new StanzaCopies([
    {
      originals: [
        { block: 3, first: 5, count: 1 },
        { block: 4, first: 0, count: 2 },
      ],
      blocks: [{ block: 9, count: 3 }],
    },
  ])
  const runs = [
    { block: 3, first: 4, count: 2 },
    { block: 4, first: 0, count: 3 },
  ]
  t.deepEqual(copies.through(runs), [
    { block: 3, first: 4, count: 1 },
    { block: 9, first: 0, count: 3 },
    { block: 4, first: 2, count: 1 },
  ])
  t.deepEqual([copies.blockOf(4, 1), copies.blockOf(4, 2)], [9, 4])
  t.end()
})

test('stanza copies: a copy of a copied stanza → the newest', (t) => {
  const originals = [{ block: 3, first: 5, count: 1 }]
  const copies = new StanzaCopies([
    { originals, blocks: [{ block: 9, count: 1 }] },
    { originals, blocks: [{ block: 12, count: 1 }] },
  ])
  t.deepEqual(copies.through(originals), [{ block: 12, first: 0, count: 1 }])
  t.end()
})

test('stanza copies: any copies → each stanza is the one that was copied', (t) => {
  const run = fc.record({
    block: fc.nat({ max: 5 }),
    first: fc.nat({ max: 20 }),
    count: fc.integer({ min: 1, max: 4 }),
  })
  const property = fc.property(
    fc.array(run),
    fc.array(run),
    fc.integer({ min: 1, max: 7 }),
    (originals, runs, size) => {
      const names = originals.flatMap(namesOf)
      const blocks = Array.from({ length: Math.ceil(names.length / size) }, (_, i) => ({
        block: 100 + i,
        count: Math.min(size, names.length - i * size),
      }))
      const nameOf = (name: string): string => {
        const [block = 0, ordinal = 0] = name.split(' ').map(Number)
        return block < 100 ? name : (names[(block - 100) * size + ordinal] as string)
      }
      const through = new StanzaCopies([{ originals, blocks }]).through(runs)
      return isDeepStrictEqual(through.flatMap(namesOf).map(nameOf), runs.flatMap(namesOf))
    },
  )
  fc.assert(property, { numRuns: 300 })
  t.pass('300 sets of copies')
  t.end()
})

test('stanza copies: not as many as originals, or beyond what a block can hold → EVENT_INVALID', (t) => {
  const refusal = (count: number, copied: number, first = 0): string =>
    refusalOf(
      () => new StanzaCopies([{ originals: [{ block: 1, first, count }], blocks: [{ block: 9, count: copied }] }]),
    )
  t.equal(refusal(3, 3), 'accepted')
  t.equal(refusal(3, 2), 'EVENT_INVALID')
  t.equal(refusal(3, 4), 'EVENT_INVALID')
  t.equal(refusal(20_000, 20_000), 'EVENT_INVALID')
  t.equal(refusal(1, 1, 16_384), 'EVENT_INVALID')
  t.end()
})

function namesOf({ block, first, count }: { block: number; first: number; count: number }): string[] {
  return Array.from({ length: count }, (_, i) => `${block} ${first + i}`)
}
