/** The smallest mixture of releases, against trying every mixture and every set of packages. */
import fc from 'fast-check'
import test from 'tape'
import { faultsOfSet } from '../../../actors/solver/check-plan.ts'
import type { Candidate } from '../../../actors/solver/candidate.ts'
import { datedPackages, isHeld } from '../../../actors/solver/dated-packages.ts'
import type { DatedPackage } from '../../../actors/solver/dated-packages.ts'
import { explanationLines } from '../../../actors/solver/explain.ts'
import { findMixture } from '../../../actors/solver/find-mixture.ts'
import type { DatedUniverse } from '../../../actors/solver/find-mixture.ts'
import { Universe } from '../../../actors/solver/universe.ts'
import { MIXTURE_RELEASES_MAX } from '../../../schemas/limits.ts'
import { unionOf } from '../../../schemas/release-ranges.ts'
import { candidates, subsets } from './universes.ts'

/** `FIRST-LAST` of the releases that held it, before the package. */
function dated(...texts: readonly string[]): DatedPackage[] {
  const spans = texts.map((text) =>
    [...text.matchAll(/(\d+)-(\d+)\|/g)].map(([, a, b]) => ({ first: Number(a), last: Number(b) })),
  )
  return datedPackages(candidates(...texts.map((text) => text.replace(/(\d+-\d+\|)+/, ''))), spans)
}

function universeOf(packages: readonly DatedPackage[], last: number): DatedUniverse {
  const universe = new Universe(
    'amd64',
    packages.map(({ candidate }) => candidate),
  )
  return { universe, spans: packages.map(({ spans }) => spans), range: { first: 1, last } }
}

/** The releases, or the reason. */
async function mixture(last: number, packages: readonly string[], ...wishes: readonly string[]): Promise<unknown> {
  const history = universeOf(dated(...packages), last)
  const { universe } = history
  const fits = (text: string): number[] => {
    const [name = '', version] = text.split(' ')
    return universe.named(name).filter((id) => version === undefined || universe.candidate(id).version === version)
  }
  const found = await findMixture(history, { ...NOTHING, wishes: wishes.map(fits) })
  if (found.ok) return found.releases
  return found.contradiction === null ? 'more than the bound' : explanationLines(universe, found.contradiction)
}

const NOTHING = { installed: [], held: new Set<number>(), upgrade: false, allowRemove: false }

test('find mixture: packages of one release, of two, of three → the fewest, and the newest of these', async (t) => {
  const history = ['1-2|aa 1; Depends: lib (= 1)', '3-9|aa 2', '1-1|4-4|lib 1', '5-9|lib 2', '6-7|bb 1', '8-9|bb 2']
  t.deepEqual(await mixture(9, history, 'aa'), [9], 'the newest version will do')
  t.deepEqual(await mixture(9, history, 'aa 1'), [1], 'one release had both, an old one')
  t.deepEqual(await mixture(9, history, 'aa 1', 'bb'), [9, 1], 'two, as new as they can be')
  t.deepEqual(await mixture(9, history, 'aa 1', 'bb 1'), [7, 1])
  t.deepEqual(await mixture(9, history, 'aa 2', 'lib 1'), [4])
  t.deepEqual(await mixture(3, ['1-1|aa 1', '2-2|bb 1', '3-3|cc 1'], 'aa', 'bb', 'cc'), [3, 2, 1])
  t.end()
})

test('find mixture: what is essential in a release that is taken must be there too', async (t) => {
  const history = ['1-1|aa 1', '2-3|bb 1', '1-3|base 1; Essential: yes', '3-3|core 1; Essential: yes; Conflicts: aa']
  t.deepEqual(await mixture(3, history, 'aa', 'bb'), [2, 1], 'release 3 has what does not go with aa')
  t.end()
})

test('find mixture: one version that releases describe differently → each as its release had it', async (t) => {
  const history = ['1-1|aa 1; Depends: gone', '2-2|aa 1', '3-3|bb 1']
  t.deepEqual(await mixture(3, history, 'aa 1'), [2])
  t.deepEqual(
    datedPackages(candidates('aa 1; Section: x', 'aa 1; Section: y'), [
      [{ first: 1, last: 1 }],
      [{ first: 2, last: 3 }],
    ]).map(({ spans }) => spans),
    [[{ first: 1, last: 3 }]],
    'what the solver does not act on makes no difference',
  )
  t.end()
})

test('find mixture: there is none → the chain that shows it, or that it would take too many releases', async (t) => {
  t.deepEqual(
    await mixture(
      2,
      ['1-1|aa 1; Depends: lib (= 1)', '2-2|bb 1; Depends: lib (= 2)', '1-1|lib 1', '2-2|lib 2'],
      'aa',
      'bb',
    ),
    [
      'aa:amd64 1 is asked for',
      'bb:amd64 1 is asked for',
      'aa:amd64 1 depends on lib (= 1), which is lib:amd64 1',
      'bb:amd64 1 depends on lib (= 2), which is lib:amd64 2',
      'lib:amd64 2 and lib:amd64 1 cannot be installed at once: one version at a time',
    ],
  )
  t.deepEqual(await mixture(1, ['1-1|aa 1', '1-1|base 1; Essential: yes; Conflicts: aa'], 'aa'), [
    'base:amd64 1 is essential',
    'aa:amd64 1 is asked for',
    'base:amd64 1 conflicts with aa, which aa:amd64 1 is',
  ])
  const many = Array.from({ length: MIXTURE_RELEASES_MAX + 1 }, (_, i) => `${i + 1}-${i + 1}|p${i}x 1`)
  const names = many.map((_, i) => `p${i}x`)
  t.deepEqual(await mixture(many.length, many, ...names), 'more than the bound')
  t.deepEqual(
    await mixture(many.length, many, ...names.slice(1)),
    many.slice(1).map((_, i) => many.length - i),
    'as many as there may be',
  )
  t.end()
})

const RELEASES = 4
const spans = fc
  .array(fc.tuple(fc.integer({ min: 1, max: RELEASES }), fc.constantFrom(0, 0, 0, 1)), { minLength: 1, maxLength: 2 })
  .map((pairs) => unionOf(pairs.map(([first, more]) => ({ first, last: Math.min(first + more, RELEASES) }))))
const NAMES = ['aa', 'bb', 'cc', 'dd', 'ee']
/** Less at odds with each other than universes.ts has them: the more releases it takes, the more the packages must agree. */
const line = fc
  .record({
    name: fc.constantFrom(...NAMES),
    version: fc.constantFrom('1', '2', '3'),
    needs: fc.constantFrom(
      '',
      '',
      'Depends: aa',
      'Depends: bb (= 1)',
      'Depends: cc (>= 2) | dd',
      'Depends: ee (<< 3), vv',
    ),
    refuses: fc.constantFrom('', '', '', 'Breaks: dd (<< 2)', 'Conflicts: vv'),
    offers: fc.constantFrom('', '', 'Provides: vv'),
    essential: fc.constantFrom('', '', '', '', '', '', '', 'Essential: yes'),
  })
  .map(({ name, version, ...fields }) =>
    [`${name} ${version}`, ...Object.values(fields).filter((text) => text !== '')].join('; '),
  )
const history = fc.array(fc.tuple(line, spans), { minLength: 2, maxLength: 8 })

test('find mixture: random histories → the same as trying every mixture with every set of its packages', async (t) => {
  let found = 0
  await fc.assert(
    fc.asyncProperty(history, fc.nat(), fc.nat(), async (held, ...picks) => {
      const packages = datedPackages(
        candidates(...held.map(([text]) => text)),
        held.map(([, of]) => of),
      )
      const dated = universeOf(packages, RELEASES)
      const ids = [...dated.universe.ids()]
      const wishes = picks.map((pick) => [ids[pick % ids.length] as number])
      const expected = bruteForce(
        packages,
        wishes.map((ids) => ids.map((id) => dated.universe.candidate(id))),
      )
      const answer = await findMixture(dated, { ...NOTHING, wishes })
      if (expected !== null && expected.length > 1) found++
      if (answer.ok) return JSON.stringify(answer.releases) === JSON.stringify(expected)
      return expected === null && answer.contradiction !== null
    }),
    { numRuns: 1_500 },
  )
  t.ok(found > 50, `${found} of them took several releases`)
  t.end()
})

/** Every mixture, the smaller first, then the newer; of each every set of packages. */
function bruteForce(packages: readonly DatedPackage[], wishes: readonly (readonly Candidate[])[]): number[] | null {
  const numbers = Array.from({ length: RELEASES }, (_, i) => RELEASES - i)
  const mixtures = [...subsets(numbers)].filter(({ length }) => length > 0)
  mixtures.sort((a, b) => a.length - b.length || newerFirst(a, b))
  return mixtures.find((taken) => isEnough(packages, wishes, taken)) ?? null
}

function newerFirst(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, i) => number !== b[i])
  return at < 0 ? 0 : (b[at] ?? 0) - (a[at] ?? 0)
}

function isEnough(
  packages: readonly DatedPackage[],
  wishes: readonly (readonly Candidate[])[],
  taken: readonly number[],
): boolean {
  const here = packages.filter(({ spans: of }) => taken.some((number) => isHeld(of, number)))
  const available = here.map(({ candidate }) => candidate)
  const essential = new Set(available.filter(({ relations }) => relations.essential).map(({ name }) => name))
  for (const set of subsets(available)) {
    const has = (name: string): boolean => set.some((one) => one.name === name && one.relations.essential)
    if (!wishes.every((some) => some.some((one) => set.includes(one)))) continue
    if ([...essential].every(has) && faultsOfSet(set, 'amd64').length === 0) return true
  }
  return false
}
