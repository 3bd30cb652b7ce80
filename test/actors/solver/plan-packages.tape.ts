import fc from 'fast-check'
import test from 'tape'
import { candidateText, type Candidate } from '../../../actors/solver/candidate.ts'
import { faultsOfSet } from '../../../actors/solver/check-plan.ts'
import { explanationLines } from '../../../actors/solver/explain.ts'
import { planPackages, type PlanRequest } from '../../../actors/solver/plan-packages.ts'
import { Universe } from '../../../actors/solver/universe.ts'
import { candidates, lines, subsets } from './universes.ts'

type Wish = Partial<Omit<PlanRequest, 'installed' | 'wishes' | 'held'>> & {
  /** `NAME VERSION`, as all below. */
  readonly installed?: readonly string[]
  readonly held?: readonly string[]
  readonly wishes?: readonly string[]
}

/** What a plan says: `+` what comes, `-` what goes; or the reason. */
async function planned(packages: readonly string[], wish: Wish): Promise<string[]> {
  const universe = new Universe('amd64', candidates(...packages))
  const idOf = (text: string): number => {
    const [name = '', version] = text.split(' ')
    return universe.named(name).find((id) => version === undefined || universe.candidate(id).version === version) ?? -1
  }
  const { installed = [], held = [], wishes = [], upgrade = false, allowRemove = false } = wish
  const plan = await planPackages(universe, {
    installed: installed.map(idOf),
    held: new Set(held.map(idOf)),
    wishes: wishes.map((text) => (text.includes(' ') ? [idOf(text)] : universe.named(text))),
    upgrade,
    allowRemove,
  })
  if (!plan.ok) return explanationLines(universe, plan.contradiction)
  const text = (id: number): string => `${universe.candidate(id).name} ${universe.candidate(id).version}`
  return [...plan.install.map((id) => `+${text(id)}`), ...plan.remove.map((id) => `-${text(id)}`)]
}

test('plan packages: on an empty machine → what was asked for, what that needs, and what is essential', async (t) => {
  const suite = ['aa 1; Depends: bb | cc, dd', 'bb 1', 'cc 1', 'dd 1', 'dd 2', 'ee 1; Essential: yes', 'ff 1']
  t.deepEqual(await planned(suite, { wishes: ['aa'] }), ['+aa 1', '+bb 1', '+dd 2', '+ee 1'])
  t.deepEqual(await planned(suite, { wishes: ['aa', 'dd 1'] }), ['+aa 1', '+bb 1', '+dd 1', '+ee 1'])
  t.deepEqual(await planned(suite, {}), ['+ee 1'])
  t.end()
})

test('plan packages: what is installed → stays, unless the wish or an upgrade needs otherwise', async (t) => {
  const suite = [
    'aa 2; Depends: lib (= 2)',
    'lib 2',
    'lib 1',
    'bb 1; Depends: lib (= 1)',
    'bb 2; Depends: lib (= 2)',
    'cc 1; Depends: lib',
  ]
  const installed = ['lib 1', 'bb 1']
  t.deepEqual(await planned(suite, { installed, wishes: ['cc'] }), ['+cc 1'], 'nothing else changes')
  t.deepEqual(await planned(suite, { installed, wishes: ['aa'] }), ['+aa 2', '+bb 2', '+lib 2'], 'what must go along')
  t.deepEqual(
    await planned(suite, { installed, wishes: ['bb'] }),
    ['+bb 2', '+lib 2'],
    'the newest of what was asked for',
  )
  t.deepEqual(await planned(suite, { installed, upgrade: true }), ['+bb 2', '+lib 2'])
  t.deepEqual(await planned(suite, { installed, upgrade: true, held: ['bb 1'] }), [], 'a hold is respected')
  t.deepEqual(await planned(suite, { installed, wishes: ['aa'], held: ['bb 1'] }), [
    'aa:amd64 2 is asked for',
    'bb:amd64 1 is held',
    'aa:amd64 2 depends on lib (= 2), which is lib:amd64 2',
    'bb:amd64 1 depends on lib (= 1), which is lib:amd64 1',
    'lib:amd64 1 and lib:amd64 2 cannot be installed at once: one version at a time',
  ])
  t.end()
})

test('plan packages: removals → only where they are allowed and there is no other way, never of what is essential', async (t) => {
  const suite = [
    'aa 1; Conflicts: bb',
    'bb 1',
    'cc 1; Essential: yes',
    'dd 1; Conflicts: cc',
    'ee 1; Protected: yes',
    'ff 1; Conflicts: ee',
  ]
  const installed = ['bb 1', 'cc 1', 'ee 1']
  t.deepEqual(
    (await planned(suite, { installed, wishes: ['aa'] })).at(-1),
    'aa:amd64 1 conflicts with bb, which bb:amd64 1 is',
  )
  t.deepEqual(await planned(suite, { installed, wishes: ['aa'], allowRemove: true }), ['+aa 1', '-bb 1'])
  for (const name of ['dd', 'ff'])
    t.ok((await planned(suite, { installed, wishes: [name], allowRemove: true })).length > 1, name)
  t.end()
})

function isPossible(packages: readonly Candidate[], wishes: readonly string[]): boolean {
  const essential = packages.filter(({ relations }) => relations.essential).map(({ name }) => name)
  for (const set of subsets(packages)) {
    const has = (name: string, of = set): boolean => of.some((one) => one.name === name)
    const hasEssential = essential.every((name) =>
      has(
        name,
        set.filter(({ relations }) => relations.essential),
      ),
    )
    if (hasEssential && wishes.every((name) => has(name)) && faultsOfSet(set, 'amd64').length === 0) return true
  }
  return false
}

test('plan packages: any wishes in any small universe → a plan exactly when some set fits, and it is one', async (t) => {
  await fc.assert(
    fc.asyncProperty(lines, fc.nat(), fc.nat(), async (packages, ...numbers) => {
      const universe = new Universe('amd64', candidates(...packages))
      const all = [...universe.ids()].map((id) => universe.candidate(id))
      const names = [...new Set(numbers.map((n) => (all[n % all.length] as Candidate).name))]
      const wishes = names.map((name) => universe.named(name))
      const plan = await planPackages(universe, {
        installed: [],
        held: new Set(),
        wishes,
        upgrade: false,
        allowRemove: false,
      })
      if (!plan.ok) return !isPossible(all, names) && plan.contradiction.length > 0
      const final = [...plan.final].map((id) => universe.candidate(id))
      return isPossible(all, names) && faultsOfSet(final, 'amd64').length === 0
    }),
    { numRuns: 400 },
  )
  t.end()
})

test('plan packages: any upgrade of any machine → a set that fits, without removals, and the same again', async (t) => {
  await fc.assert(
    fc.asyncProperty(lines, fc.nat(), async (packages, seed) => {
      const universe = new Universe('amd64', candidates(...packages))
      const ids = [...universe.ids()]
      const machines = [...subsets(ids)].filter(
        (set) =>
          faultsOfSet(
            set.map((id) => universe.candidate(id)),
            'amd64',
          ).length === 0,
      )
      const installed = machines[seed % machines.length] as number[]
      const request = { installed, held: new Set<number>(), wishes: [], upgrade: true, allowRemove: false }
      const [plan, again] = [await planPackages(universe, request), await planPackages(universe, request)]
      // A machine without what is essential may have no room for it: then there is a reason.
      if (!plan.ok) return plan.contradiction.length > 0
      const final = [...plan.final].map((id) => universe.candidate(id))
      const texts = (p: typeof again): string =>
        p.ok
          ? [...p.final]
              .map((id) => candidateText(universe.candidate(id)))
              .sort()
              .join()
          : ''
      return plan.remove.length === 0 && faultsOfSet(final, 'amd64').length === 0 && texts(plan) === texts(again)
    }),
    { numRuns: 400 },
  )
  t.end()
})
