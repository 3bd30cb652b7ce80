import fc from 'fast-check'
import test from 'tape'
import type { Run } from '../../schemas/edit-script.ts'
import { differenceOfRuns } from '../../schemas/run-list.ts'

const runs = fc.array(
  fc.record({ block: fc.nat({ max: 3 }), first: fc.nat({ max: 20 }), count: fc.integer({ min: 1, max: 8 }) }),
  { maxLength: 12 },
)

/** Every stanza by itself, in order, with repetitions. */
function stanzasOf(list: readonly Run[]): string[] {
  return list.flatMap(({ block, first, count }) => Array.from({ length: count }, (_, i) => `${block}/${first + i}`))
}

function naive(from: readonly Run[], without: readonly Run[]): string[] {
  const gone = new Set(stanzasOf(without))
  return [...new Set(stanzasOf(from))].filter((stanza) => !gone.has(stanza)).toSorted()
}

test('run list: any two lists of runs → the difference of their sets, each stanza once', (t) => {
  fc.assert(
    fc.property(runs, runs, (before, after) => {
      const { added, removed } = differenceOfRuns(before, after)
      const [came, went] = [stanzasOf(added), stanzasOf(removed)]
      return (
        new Set(came).size === came.length &&
        came.toSorted().join() === naive(after, before).join() &&
        went.toSorted().join() === naive(before, after).join()
      )
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 pairs')
  t.end()
})

test('run list: the arguments → not changed', (t) => {
  const before = Object.freeze([
    Object.freeze({ block: 1, first: 5, count: 2 }),
    Object.freeze({ block: 1, first: 0, count: 9 }),
  ])
  t.deepEqual(differenceOfRuns(before, before), { added: [], removed: [] })
  t.end()
})

test('run list: moved stanzas → neither came nor went', (t) => {
  const before = [
    { block: 1, first: 0, count: 10 },
    { block: 2, first: 0, count: 3 },
  ]
  const after = [
    { block: 2, first: 0, count: 3 },
    { block: 1, first: 5, count: 5 },
    { block: 1, first: 0, count: 4 },
    { block: 3, first: 7, count: 1 },
  ]
  t.deepEqual(differenceOfRuns(before, after), {
    added: [{ block: 3, first: 7, count: 1 }],
    removed: [{ block: 1, first: 4, count: 1 }],
  })
  t.end()
})

test('run list: 20,000 runs of one block → work in proportion', (t) => {
  const scattered = (shift: number): Run[] =>
    Array.from({ length: 20_000 }, (_, i) => ({ block: 1, first: 4 * i + shift, count: 2 }))
  const startedAtMs = performance.now()
  const { added, removed } = differenceOfRuns(scattered(0), scattered(1))
  t.equal(added.length, 20_000)
  t.equal(removed.length, 20_000)
  t.ok(performance.now() - startedAtMs < 1000)
  t.end()
})
