/** The search for the first bad release, over functions instead of commands. */
import fc from 'fast-check'
import test from 'tape'
import { findFirstBad, type Judge, type Verdict, verifyEnds } from '../../tools/bisect-search.ts'
import { verdictOf } from '../../tools/tested-command.ts'
import { codeOf } from '../helpers/refusal.ts'

/** A judge that knows the first bad release, and what it was asked. */
function judgeOf(firstBad: number, skipped: readonly number[] = []): { judge: Judge; asked: number[] } {
  const asked: number[] = []
  const judge = async (release: number): Promise<Verdict> => {
    asked.push(release)
    if (skipped.includes(release)) return 'skip'
    return release < firstBad ? 'good' : 'bad'
  }
  return { judge, asked }
}

test('bisect: any range and first bad release → found, within the logarithm, no release twice', async (t) => {
  const cases = fc.integer({ min: 2, max: 5_000 }).chain((bad) => {
    return fc.tuple(fc.constant(bad), fc.integer({ min: 2, max: bad }))
  })
  await fc.assert(
    fc.asyncProperty(cases, async ([bad, firstBad]) => {
      const { judge, asked } = judgeOf(firstBad)
      const found = await findFirstBad({ good: 1, bad }, judge)
      return (
        found.bad === firstBad &&
        found.good === firstBad - 1 &&
        new Set(asked).size === asked.length &&
        asked.length <= Math.ceil(Math.log2(bad)) &&
        asked.every((release) => release > 1 && release < bad)
      )
    }),
  )
  t.end()
})

test('bisect: releases that cannot be tested → a neighbour is, and the answer is exact or refused', async (t) => {
  const cases = fc.tuple(fc.integer({ min: 2, max: 40 }), fc.array(fc.integer({ min: 2, max: 39 }), { maxLength: 20 }))
  await fc.assert(
    fc.asyncProperty(cases, async ([firstBad, skipped]) => {
      const { judge, asked } = judgeOf(firstBad, skipped)
      const found = await findFirstBad({ good: 1, bad: 40 }, judge).catch((error: unknown) => error)
      const decidable = !skipped.includes(firstBad - 1) && (firstBad === 40 || !skipped.includes(firstBad))
      if (new Set(asked).size !== asked.length) return false
      if (decidable) return JSON.stringify(found) === JSON.stringify({ good: firstBad - 1, bad: firstBad })
      return (found as { code: string }).code === 'BISECT_UNDECIDED'
    }),
  )
  const { judge, asked } = judgeOf(6, [5])
  const refusal = await findFirstBad({ good: 1, bad: 9 }, judge).catch((error: Error) => error.message)
  t.equal(refusal, 'the first bad release is one of #5 to #6; all but #6 cannot be tested')
  t.deepEqual(asked, [5, 6, 3, 4], 'a neighbour of the one that cannot be tested')
  t.end()
})

test('bisect: neighbours → nothing is tried', async (t) => {
  const { judge, asked } = judgeOf(2)
  t.deepEqual([await findFirstBad({ good: 1, bad: 2 }, judge), asked], [{ good: 1, bad: 2 }, []])
  t.end()
})

test('bisect: ends that the command does not confirm → BISECT_UNVERIFIED, good first', async (t) => {
  const confirmed = judgeOf(3)
  await verifyEnds({ good: 1, bad: 5 }, confirmed.judge)
  t.deepEqual(confirmed.asked, [1, 5])
  for (const [firstBad, skipped, asked] of [
    [1, [], [1]],
    [9, [], [1, 5]],
    [3, [1], [1]],
    [3, [5], [1, 5]],
  ] as const) {
    const refused = judgeOf(firstBad, skipped)
    t.equal(await codeOf(verifyEnds({ good: 1, bad: 5 }, refused.judge)), 'BISECT_UNVERIFIED')
    t.deepEqual(refused.asked, asked)
  }
  t.end()
})

test('bisect: exit codes → those of git bisect run', (t) => {
  t.deepEqual(
    [0, 1, 124, 125, 126, 127].map((code) => verdictOf(code)),
    ['good', 'bad', 'bad', 'skip', 'bad', 'bad'],
  )
  for (const code of [128, 130, 255]) t.throws(() => verdictOf(code), /128 and more/)
  t.end()
})
