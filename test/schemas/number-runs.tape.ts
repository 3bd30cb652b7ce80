import fc from 'fast-check'
import test from 'tape'
import { FreshetError } from '../../schemas/errors.ts'
import { numbersIn, runLists, runsOf } from '../../schemas/number-runs.ts'

const ASCENDING = fc.uniqueArray(fc.nat(999), { maxLength: 200 }).map((numbers) => numbers.sort((a, b) => a - b))

test('runs are gaps and lengths', (t) => {
  t.same(runsOf([]), [])
  t.same(runsOf([0, 1, 2, 7]), [0, 3, 4, 1])
  t.same(numbersIn([5, 2], 7, 2), [5, 6])
  t.end()
})

test('property: runs are read back as the numbers that they were made of', (t) => {
  fc.assert(fc.property(ASCENDING, (numbers) => numbersIn(runsOf(numbers), 1000, 200).join() === numbers.join()))
  t.end()
})

test('property: lists of bounded length name the same numbers, each list by itself', (t) => {
  fc.assert(
    fc.property(
      ASCENDING,
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 8 }),
      (numbers, countMax, half) => {
        const lists = [...runLists(numbers, countMax, 2 * half)]
        if (lists.some((runs) => runs.length > 2 * half)) return false
        return lists.flatMap((runs) => numbersIn(runs, 1000, countMax)).join() === numbers.join()
      },
    ),
  )
  t.end()
})

const WRONG: Record<string, [runs: number[], bound: number, countMax: number]> = {
  'a run without its length': [[0, 1, 2], 100, 100],
  'an empty run': [[0, 0], 100, 100],
  'a run that touches the one before': [[0, 1, 0, 1], 100, 100],
  'a number at the bound': [[99, 2], 100, 100],
  'more numbers than allowed': [[0, 11], 100, 10],
  'numbers beyond what can be counted': [[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], 100, 100],
}
for (const [what, [runs, bound, countMax]] of Object.entries(WRONG)) {
  test(`${what} is refused`, (t) => {
    try {
      numbersIn(runs, bound, countMax)
      t.fail('it was read')
    } catch (error) {
      t.equal(error instanceof FreshetError && error.code, 'EVENT_INVALID')
    }
    t.end()
  })
}
