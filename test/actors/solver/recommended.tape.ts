/** What new packages recommend: it comes along where it fits, and changes nothing else. */
import test from 'tape'
import { planPackages } from '../../../actors/solver/plan-packages.ts'
import { withRecommended } from '../../../actors/solver/recommended.ts'
import { Universe } from '../../../actors/solver/universe.ts'
import { RelationParser } from '../../../schemas/relation.ts'
import { candidates } from './universes.ts'

/** What a plan for `wish` installs, and what it does with what is recommended. */
async function planned(
  packages: readonly string[],
  wish: string,
  installed: readonly string[] = [],
): Promise<string[][]> {
  const universe = new Universe('amd64', candidates(...packages))
  const one = (text: string): number =>
    [...universe.ids()].find((id) => `${universe.candidate(id).name} ${universe.candidate(id).version}` === text) ?? -1
  const request = {
    installed: installed.map(one),
    held: new Set<number>(),
    wishes: [universe.named(wish)],
    upgrade: false,
    allowRemove: false,
  }
  const plan = await planPackages(universe, request)
  if (!plan.ok) throw new Error('there is no plan')
  const names = (ids: readonly number[]): string[] =>
    ids.map((id) => `${universe.candidate(id).name} ${universe.candidate(id).version}`)
  const found = withRecommended(universe, request, plan, new RelationParser())
  return [names(plan.install), names(found.install), names(found.remove)]
}

test('recommended: what a new package recommends, and what that needs and recommends → comes along', async (t) => {
  const suite = ['aa 1; Recommends: bb | cc, dd', 'bb 1; Depends: ee', 'cc 1', 'dd 1; Recommends: ff', 'ee 1', 'ff 1']
  t.deepEqual(await planned(suite, 'aa'), [['aa 1'], ['aa 1', 'bb 1', 'dd 1', 'ee 1', 'ff 1'], []])
  t.end()
})

test('recommended: what does not fit, is not there or is not asked for → nothing changes for it', async (t) => {
  const suite = ['aa 1; Recommends: bb, gone', 'bb 1; Conflicts: cc', 'cc 1']
  t.deepEqual(await planned(suite, 'aa', ['cc 1']), [['aa 1'], ['aa 1'], []], 'what is installed stays')
  const newer = ['aa 1; Recommends: bb (>= 2)', 'bb 1', 'bb 2']
  t.deepEqual(await planned(newer, 'aa', ['bb 1']), [['aa 1'], ['aa 1'], []], 'nothing is upgraded for it')
  const upgrade = ['aa 1; Recommends: bb', 'aa 2; Recommends: bb', 'bb 1']
  t.deepEqual(await planned(upgrade, 'aa', ['aa 1']), [['aa 2'], ['aa 2'], []], 'what was left out before stays out')
  t.deepEqual(await planned(['aa 1; Recommends: b (', 'bb 1'], 'aa'), [['aa 1'], ['aa 1'], []], 'a malformed field')
  t.end()
})
