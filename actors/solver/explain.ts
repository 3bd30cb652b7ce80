/**
 * Why packages cannot be installed together: as few rules as contradict each other, in the order in which a person follows them.
 *
 * "Few" means that none of them can be left out; of several such explanations one is given.
 */
import { EXPLANATION_STEPS_MAX } from '../../schemas/limits.ts'
import { groupText, relationText } from '../../schemas/relation.ts'
import type { RelationGroup } from '../../schemas/relation.ts'
import { candidateText, refusalsOf } from './candidate.ts'
import type { Candidate } from './candidate.ts'
import { Formula } from './formula.ts'
import type { Literal } from './formula.ts'
import type { Demand, Rule } from './rules.ts'
import type { Universe } from './universe.ts'

/**
 * @param essentials what a machine cannot do without is demanded, too.
 * @returns rules that contradict each other where all of `demands` are to be met; none, where they can be.
 */
export async function contradiction(
  universe: Universe,
  demands: readonly Demand[],
  essentials = true,
): Promise<Rule[]> {
  const formula = await Formula.open(universe, { guarded: true, essentials })
  try {
    for (const demand of demands) formula.demand(demand)
    const { guards } = formula
    if (formula.solve([...guards.keys()])) return []
    let core = formula.failed()
    for (const guard of [...core]) {
      if (!core.includes(guard)) continue
      const rest = core.filter((other) => other !== guard)
      if (formula.solve(rest)) continue
      const failed = new Set(formula.failed())
      core = rest.filter((other) => failed.has(other))
    }
    return inOrder(core.map((guard: Literal) => guards.get(guard) as Rule))
  } finally {
    formula.close()
  }
}

/** From what is demanded on: what each needs, then what those need; conflicts last, when both sides were met. */
function inOrder(rules: readonly Rule[]): Rule[] {
  const demands = rules.filter((rule) => rule.kind === 'demand')
  const ordered: Rule[] = [...demands]
  const waiting = demands.flatMap(({ satisfying }) => satisfying)
  const seen = new Set<number>()
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    if (seen.has(id)) continue
    seen.add(id)
    for (const rule of rules) {
      if ((rule.kind !== 'needs' && rule.kind !== 'fault') || rule.id !== id) continue
      ordered.push(rule)
      if (rule.kind === 'needs') waiting.push(...rule.satisfying)
    }
  }
  return [...ordered, ...rules.filter(({ kind }) => kind === 'conflict')]
}

/** One line for each rule. */
export function explanationLines(universe: Universe, rules: readonly Rule[]): string[] {
  const shown = rules.slice(0, EXPLANATION_STEPS_MAX).map((rule) => ruleText(universe, rule))
  const more = rules.length - shown.length
  return more > 0 ? [...shown, `and ${more} more such steps`] : shown
}

function ruleText(universe: Universe, rule: Rule): string {
  switch (rule.kind) {
    case 'fault':
      return `${candidateText(universe.candidate(rule.id))} cannot be installed: ${rule.fault.message}`
    case 'demand':
      return `${textOf(universe, rule.satisfying)} is ${rule.because}`
    case 'conflict':
      return conflictText(universe.candidate(rule.id), universe.candidate(rule.other))
    case 'needs':
      return needText(universe, universe.candidate(rule.id), rule.group, rule.satisfying)
  }
}

function needText(universe: Universe, by: Candidate, group: RelationGroup, satisfying: readonly number[]): string {
  const verb = by.relations.preDepends.includes(group) ? 'pre-depends on' : 'depends on'
  const need = `${candidateText(by)} ${verb} ${groupText(group)}`
  if (satisfying.length > 0) return `${need}, which is ${textOf(universe, satisfying)}`
  const misfits = group.flatMap(({ name }) => universe.named(name))
  if (misfits.length > 0)
    return `${need}, and there is only ${textOf(universe, misfits)}${faultText(universe, misfits)}`
  return `${need}, and there is none`
}

/** A package with a fault would do, were it not for that. */
function faultText(universe: Universe, misfits: readonly number[]): string {
  const faults = misfits.flatMap((id) => universe.candidate(id).relations.fault?.message ?? [])
  return faults.length === 0 ? '' : ` (${faults[0]})`
}

/** Packages that a line names; the rest is counted. */
const NAMED_MAX = 6

function textOf(universe: Universe, ids: readonly number[]): string {
  const shown = ids.slice(0, NAMED_MAX).map((id) => candidateText(universe.candidate(id)))
  const more = ids.length - shown.length
  return more > 0 ? `${shown.join(' or ')} or ${more} others` : shown.join(' or ')
}

/** Says which side says so, and in which words, where one of them does. */
function conflictText(one: Candidate, other: Candidate): string {
  const words = refusalText(one, other) ?? refusalText(other, one)
  return words ?? `${candidateText(one)} and ${candidateText(other)} cannot be installed at once: one version at a time`
}

function refusalText(by: Candidate, about: Candidate): string | null {
  const names = new Set([about.name, ...about.relations.provides.map(([offer]) => offer?.name)])
  const [relation] = by.name === about.name ? [] : (refusalsOf(by).find(([said]) => names.has(said?.name)) ?? [])
  if (relation === undefined) return null
  const verb = by.relations.breaks.some(([said]) => said === relation) ? 'breaks' : 'conflicts with'
  return `${candidateText(by)} ${verb} ${relationText(relation)}, which ${candidateText(about)} is`
}
