/**
 * From what a machine has and what is asked for to what it should have: a plan, or rules that show that there is none.
 *
 * Complete: where packages can be installed as asked, a plan is found. Of several, in this order: nothing is removed, unless that
 * is allowed and there is no other way; held packages stay; the newest version of what is asked for (with `upgrade`: of
 * everything); what is installed stays as it is; of a new package the newest version; nothing is installed that nothing needs.
 * Each of these is as large as it can be made by single steps, not the largest there is: that would be another, harder problem.
 *
 * Where nothing that is installed has to change, packages are added greedily, which takes the alternatives that maintainers
 * prefer; the SAT solver is asked where that fails. Same input, same plan.
 */
import { forbid, isWithin } from './bad-sets.ts'
import type { BadSet } from './bad-sets.ts'
import { candidateText } from './candidate.ts'
import type { Candidate } from './candidate.ts'
import { contradiction } from './explain.ts'
import { Formula } from './formula.ts'
import type { Literal } from './formula.ts'
import { InstallSet } from './install-set.ts'
import { rulesOf } from './rules.ts'
import type { Demand, Rule } from './rules.ts'
import type { Universe } from './universe.ts'

/** Packages are given by their numbers in a universe. */
export interface PlanRequest {
  readonly installed: readonly number[]
  /** Of these, those that must stay as they are. */
  readonly held: ReadonlySet<number>
  /** One of each must be installed; in order of preference. */
  readonly wishes: readonly (readonly number[])[]
  /** The newest version of everything that is installed. */
  readonly upgrade: boolean
  readonly allowRemove: boolean
  /** What must not come together. Default: nothing. */
  readonly badSets?: readonly BadSet[]
}

export interface FoundPlan {
  readonly ok: true
  /** What the machine will have, by number. */
  readonly final: ReadonlySet<number>
  readonly install: readonly number[]
  /** What is installed and will be in no version. */
  readonly remove: readonly number[]
}

/** No rule contradicts another where only the bad sets stand against it. */
export type PackagePlan = FoundPlan | { readonly ok: false; readonly contradiction: readonly Rule[] }

/** @throws FreshetError SOLVER_GAVE_UP. */
export async function planPackages(universe: Universe, request: PlanRequest): Promise<PackagePlan> {
  const { badSets = [] } = request
  const added = request.upgrade ? null : addOnly(universe, request)
  if (added !== null && !badSets.some((set) => isWithin(set, added))) return planOf(universe, request, added)
  const formula = await Formula.open(universe)
  try {
    for (const set of badSets) forbid(formula, set)
    const demands = demandsOf(universe, request)
    const hard = demands.map(({ satisfying }) => formula.oneOf(satisfying))
    if (!formula.solve(hard)) return { ok: false, contradiction: await contradiction(universe, demands) }
    const final = settle(universe, request, formula, hard)
    return planOf(universe, request, needed(universe, final, [...request.installed], request.wishes))
  } finally {
    formula.close()
  }
}

/** What is installed, and what the wishes add to it; null where that was not found, or something would have to change. */
function addOnly(universe: Universe, { installed, wishes }: PlanRequest): ReadonlySet<number> | null {
  const present = new Set(installed)
  if (!installed.every((id) => isSatisfied(universe, id, present))) return null
  const set = installed.length === 0 ? InstallSet.withEssentials(universe) : InstallSet.of(universe, installed)
  // Where an older version is installed, the newest one is a change.
  const addWish = ([newest = -1, ...others]: readonly number[]): boolean =>
    set?.add(newest) === true || (!others.some((id) => present.has(id)) && others.some((id) => set?.add(id) === true))
  return set !== null && wishes.every(addWish) ? new Set(set.members()) : null
}

function isSatisfied(universe: Universe, id: number, present: ReadonlySet<number>): boolean {
  for (const rule of rulesOf(universe, id)) {
    if (rule.kind === 'fault') return false
    if (rule.kind === 'needs' && !rule.satisfying.some((other) => present.has(other))) return false
    if (rule.kind === 'conflict' && present.has(rule.other)) return false
  }
  return true
}

/** What must be so whatever else is chosen. */
export function demandsOf(universe: Universe, request: PlanRequest): Demand[] {
  const { installed, held, wishes, allowRemove } = request
  return [
    ...wishes.map((satisfying): Demand => ({ kind: 'demand', satisfying, because: 'asked for' })),
    ...installed.flatMap((id): Demand[] => {
      if (held.has(id)) return [{ kind: 'demand', satisfying: [id], because: 'held' }]
      const { essential, protected: isProtected } = universe.candidate(id).relations
      if (allowRemove && !essential && !isProtected) return []
      return [{ kind: 'demand', satisfying: versionsOf(universe, id), because: 'installed' }]
    }),
  ]
}

/** Packages that could stand in for this one: of its name, and of its architecture where there are several. */
function versionsOf(universe: Universe, id: number): readonly number[] {
  const { name, architecture } = universe.candidate(id)
  const fits = (other: Candidate): boolean =>
    other.architecture === architecture || [other.architecture, architecture].includes('all')
  return universe.named(name).filter((other) => fits(universe.candidate(other)))
}

/** Goes through the preferences, the most important first. @returns what is installed then. */
function settle(universe: Universe, request: PlanRequest, formula: Formula, hard: readonly Literal[]): Set<number> {
  const { installed, held, wishes, upgrade } = request
  const newest = (ids: readonly number[]): Literal[] => ids.slice(0, 1).map((id) => formula.literal(id))
  const kept = installed.filter((id) => !held.has(id))
  let fixed = keepMost(
    formula,
    hard,
    kept.map((id) => formula.oneOf(versionsOf(universe, id))),
  ) // nothing removed
  fixed = keepMost(formula, fixed, wishes.flatMap(newest))
  if (upgrade)
    fixed = keepMost(
      formula,
      fixed,
      kept.flatMap((id) => newest(versionsOf(universe, id))),
    )
  fixed = keepMost(
    formula,
    fixed,
    kept.map((id) => formula.literal(id)),
  ) // as it is
  formula.solve(fixed)
  const final = needed(universe, formula.installed(), installed, wishes)
  const fresh = [...final].filter(
    (id) => !installed.includes(id) && universe.named(universe.candidate(id).name)[0] !== id,
  )
  if (fresh.length === 0) return final
  formula.solve(
    keepMost(
      formula,
      fixed,
      fresh.flatMap((id) => newest(versionsOf(universe, id))),
    ),
  )
  return formula.installed()
}

/** @returns `fixed`, which hold together, and as many of `wanted` as hold with them, the first before the last. */
function keepMost(formula: Formula, fixed: readonly Literal[], wanted: readonly Literal[]): Literal[] {
  let kept = [...wanted]
  const dropped: Literal[] = []
  while (!formula.solve([...fixed, ...kept])) {
    const failed = new Set(formula.failed())
    const last = kept.findLastIndex((literal) => failed.has(literal))
    if (last < 0) throw new RangeError('what was fixed does not hold')
    dropped.push(...kept.splice(last, 1))
  }
  for (const literal of dropped.reverse()) if (formula.solve([...fixed, ...kept, literal])) kept = [...kept, literal]
  return [...fixed, ...kept]
}

/** Of `final`: what was installed, what is essential or asked for, and whatever these need. */
function needed(
  universe: Universe,
  final: ReadonlySet<number>,
  installed: readonly number[],
  wishes: readonly (readonly number[])[],
): Set<number> {
  const names = new Set(installed.map((id) => universe.candidate(id).name))
  const wanted = [...wishes, ...universe.essentials()].flatMap((ids) => ids.filter((id) => final.has(id)).slice(0, 1))
  const waiting = [...[...final].filter((id) => names.has(universe.candidate(id).name)), ...wanted]
  const found = new Set<number>()
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id)) continue
    found.add(id)
    for (const need of universe.needs(id)) {
      const satisfying = universe.satisfying(need).filter((other) => final.has(other))
      if (!satisfying.some((other) => found.has(other))) waiting.push(...satisfying.slice(0, 1))
    }
  }
  return found
}

/** The plan that leads to `final`. */
export function planOf(universe: Universe, { installed }: PlanRequest, final: ReadonlySet<number>): FoundPlan {
  const before = new Set(installed)
  const byName = (a: number, b: number): number =>
    candidateText(universe.candidate(a)) < candidateText(universe.candidate(b)) ? -1 : 1
  const install = [...final].filter((id) => !before.has(id)).sort(byName)
  const remove = installed.filter((id) => !versionsOf(universe, id).some((other) => final.has(other))).sort(byName)
  return { ok: true, final, install, remove }
}
