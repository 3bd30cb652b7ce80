import fc from 'fast-check'
import test from 'tape'
import { candidateText, type Candidate } from '../../../actors/solver/candidate.ts'
import { faultsOfSet } from '../../../actors/solver/check-plan.ts'
import { explanationLines } from '../../../actors/solver/explain.ts'
import { PackageCheck } from '../../../actors/solver/package-check.ts'
import { Universe } from '../../../actors/solver/universe.ts'
import { codeOf } from '../../helpers/refusal.ts'
import { candidate, candidates, lines, subsets } from './universes.ts'

async function brokenOf(...packages: readonly string[]): Promise<string[]> {
  return textsOf(await PackageCheck.run(new Universe('amd64', candidates(...packages))))
}

function textsOf(check: PackageCheck): string[] {
  return check.broken.map((id) => candidateText(check.universe.candidate(id))).sort()
}

/** By trying every set of packages with the checker of plans, which shares nothing with the solver. */
function brokenByForce(packages: readonly Candidate[]): string[] {
  const essential = new Set(packages.filter(({ relations }) => relations.essential).map(({ name }) => name))
  const installable = new Set<Candidate>()
  for (const set of subsets(packages)) {
    const here = new Set(set.filter(({ relations }) => relations.essential).map(({ name }) => name))
    if (here.size < essential.size || faultsOfSet(set, 'amd64').length > 0) continue
    for (const one of set) installable.add(one)
  }
  return packages
    .filter((one) => !installable.has(one))
    .map(candidateText)
    .sort()
}

/** Of several with one name, version and architecture the first is in a universe. */
const distinct = (packages: readonly Candidate[]): Candidate[] => [
  ...new Map([...packages].reverse().map((one) => [candidateText(one), one])).values(),
]

test('package check: small universes by hand → who cannot be installed', async (t) => {
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['nothing needed', ['aa 1'], []],
    ['a cycle', ['aa 1; Depends: bb', 'bb 1; Depends: cc', 'cc 1; Pre-Depends: aa'], []],
    ['what is not there', ['aa 1; Depends: bb', 'bb 1; Depends: cc'], ['aa:amd64 1', 'bb:amd64 1']],
    ['an alternative', ['aa 1; Depends: zz | bb', 'bb 1'], []],
    ['a version too old', ['aa 1; Depends: bb (>= 2)', 'bb 1'], ['aa:amd64 1']],
    ['conflict with itself', ['aa 1; Conflicts: aa'], []],
    ['conflict with what it provides', ['aa 1; Provides: vv; Conflicts: vv', 'bb 1; Provides: vv'], []],
    ['conflict with what it needs', ['aa 1; Depends: bb; Conflicts: bb', 'bb 1'], ['aa:amd64 1']],
    ['what it needs breaks it', ['aa 1; Depends: bb', 'bb 1; Breaks: aa (<< 2)'], ['aa:amd64 1']],
    ['two that exclude each other', ['aa 1; Depends: bb, cc', 'bb 1', 'cc 1; Conflicts: bb'], ['aa:amd64 1']],
    ['two versions of one', ['aa 1; Depends: bb (= 1), cc', 'bb 1', 'bb 2', 'cc 1; Depends: bb (= 2)'], ['aa:amd64 1']],
    ['provided without a version', ['aa 1; Depends: vv (>= 1)', 'bb 3; Provides: vv'], ['aa:amd64 1']],
    ['provided with a version', ['aa 1; Depends: vv (>= 1)', 'bb 1; Provides: vv (= 2)'], []],
    ['a conflict with the essential', ['aa 1; Conflicts: ee', 'ee 1; Essential: yes'], ['aa:amd64 1']],
    ['another architecture', ['aa 1; Depends: bb', 'bb 1; Architecture: i386'], ['aa:amd64 1']],
    ['foreign', ['aa 1; Depends: bb', 'bb 1; Architecture: i386; Multi-Arch: foreign'], []],
    ['allowed, and asked for', ['aa 1; Depends: bb:any', 'bb 1; Architecture: i386; Multi-Arch: allowed'], []],
    ['allowed, not asked for', ['aa 1; Depends: bb', 'bb 1; Architecture: i386; Multi-Arch: allowed'], ['aa:amd64 1']],
    ['all is native', ['aa 1; Depends: bb:native', 'bb 1; Architecture: all'], []],
    ['by architecture', ['aa 1; Depends: bb:i386', 'bb 1', 'bb 1; Architecture: i386'], []],
    [
      'same, of two versions',
      ['aa 1; Depends: bb (= 1), bb:i386', 'bb 1; Multi-Arch: same', 'bb 2; Multi-Arch: same; Architecture: i386'],
      ['aa:amd64 1'],
    ],
  ]
  for (const [title, packages, broken] of rows) {
    t.deepEqual(await brokenOf(...packages), broken, title)
    t.deepEqual(brokenByForce(candidates(...packages)), broken, `${title}, by force`)
  }
  t.end()
})

test('package check: a malformed field → its package and who needs it, nobody else', async (t) => {
  const universe = new Universe(
    'amd64',
    candidates('aa 1; Depends: b b', 'cc 1; Depends: aa', 'dd 1; Depends: aa | ee', 'ee 1'),
  )
  const check = await PackageCheck.run(universe)
  t.deepEqual(textsOf(check), ['aa:amd64 1', 'cc:amd64 1'])
  const [id = -1] = check.broken
  t.deepEqual(explanationLines(universe, await check.reason(id)), [
    'aa:amd64 1 cannot be installed: aa: Depends: "b b" is no relation',
  ])
  t.end()
})

test('package check: a package that cannot be installed → as few steps as show why', async (t) => {
  const reason = async (...packages: readonly string[]): Promise<string[]> => {
    const check = await PackageCheck.run(new Universe('amd64', candidates(...packages)))
    return explanationLines(check.universe, await check.reason(0))
  }
  t.deepEqual(await reason('aa 1; Depends: zz | bb, cc', 'bb 1; Depends: dd (>= 2)', 'cc 1', 'dd 1'), [
    'aa:amd64 1 depends on zz | bb, which is bb:amd64 1',
    'bb:amd64 1 depends on dd (>= 2), and there is only dd:amd64 1',
  ])
  t.deepEqual(
    await reason(
      'aa 1; Depends: bb, cc, ff',
      'bb 1; Depends: dd',
      'cc 1; Pre-Depends: ee',
      'dd 1',
      'ee 2; Breaks: dd (<< 2)',
      'ff 1',
    ),
    [
      'aa:amd64 1 depends on bb, which is bb:amd64 1',
      'aa:amd64 1 depends on cc, which is cc:amd64 1',
      'bb:amd64 1 depends on dd, which is dd:amd64 1',
      'cc:amd64 1 pre-depends on ee, which is ee:amd64 2',
      'ee:amd64 2 breaks dd (<< 2), which dd:amd64 1 is',
    ],
  )
  t.end()
})

test('package check: any small universe → as trying every set says, and each reason contradicts itself', async (t) => {
  await fc.assert(
    fc.asyncProperty(lines, async (packages) => {
      const all = distinct(candidates(...packages))
      const check = await PackageCheck.run(new Universe('amd64', all))
      for (const id of check.broken) if ((await check.reason(id)).length === 0) return false
      return JSON.stringify(textsOf(check)) === JSON.stringify(brokenByForce(all))
    }),
    { numRuns: 400 },
  )
  t.end()
})

test('package check: any change after any universe → as a check from the start says', async (t) => {
  await fc.assert(
    fc.asyncProperty(lines, lines, fc.array(fc.nat()), async (before, came, went) => {
      const check = await PackageCheck.run(new Universe('amd64', candidates(...before)))
      const ids = [...check.universe.ids()]
      const gone = new Set(went.map((n) => ids[n % ids.length] as number))
      await check.advance([...gone], candidates(...came))
      const { universe } = check
      const fresh = await PackageCheck.run(
        new Universe(
          'amd64',
          [...universe.ids()].map((id) => universe.candidate(id)),
        ),
      )
      return JSON.stringify(textsOf(check)) === JSON.stringify(textsOf(fresh))
    }),
    { numRuns: 400 },
  )
  t.end()
})

test('package check: a chain that is longer than the greedy search goes → proven all the same', async (t) => {
  const length = 5_000
  const chain = Array.from({ length }, (_, i) => (i + 1 < length ? `p${i} 1; Depends: p${i + 1}` : `p${i} 1`))
  t.deepEqual(await brokenOf(...chain), [])
  t.equal((await brokenOf(...chain.slice(0, -1))).length, length - 1)
  t.end()
})

test('package check: more of one name than can be chosen from → refused', async (t) => {
  const many = Array.from({ length: 5_000 }, (_, i) => `aa ${i}`)
  t.equal(await codeOf(brokenOf(...many)), 'INDEX_TOO_LARGE')
  t.end()
})

test('check plan: a set that is not whole → what is missing, and what does not go together', (t) => {
  const faults = (...packages: readonly string[]): string[] => faultsOfSet(candidates(...packages), 'amd64')
  t.deepEqual(faults('aa 1; Depends: bb (>= 2) | cc', 'bb 1'), ['aa:amd64 1 needs bb (>= 2) | cc'])
  t.deepEqual(faults('aa 1; Breaks: bb', 'bb 1'), ['aa:amd64 1 does not go with bb'])
  t.equal(faults('aa 1', 'aa 2').length, 2)
  t.deepEqual(faultsOfSet([candidate('aa 1; Depends: bb'), candidate('bb 1')], 'amd64'), [])
  t.end()
})
