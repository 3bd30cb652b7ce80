/**
 * The smallest mixture of releases in which packages can be installed together: as few releases as will do, and of several such
 * mixtures the newest, which is the one whose newest release is newest, then whose second is, and so on.
 *
 * A package may come from any release of the mixture that held it, and what any of these calls essential must be there. That is
 * one formula over all releases at once: the rules of all versions that could be needed, a variable for each release, and "who is
 * installed was held by a release that is taken". So it is complete: within the releases that were read, with at most
 * MIXTURE_RELEASES_MAX of them, a mixture is found if there is one; where the solver gives up it says so, and nothing else.
 *
 * Not every release needs a variable. Where no package that could be needed leaves with release n + 1, and nothing becomes
 * essential by it, whatever can be taken from n can be taken from n + 1: a mixture with n is no smaller with n instead, and
 * older. So of a stretch of such releases the last one stands for all, and neither size nor age of the answer changes.
 */
import { MIXTURE_RELEASES_MAX } from '../../schemas/limits.ts'
import type { ReleaseRange } from '../../schemas/release-ranges.ts'
import { isHeld } from './dated-packages.ts'
import { contradiction } from './explain.ts'
import { Formula } from './formula.ts'
import type { Literal } from './formula.ts'
import { demandsOf } from './plan-packages.ts'
import type { PlanRequest } from './plan-packages.ts'
import type { Rule } from './rules.ts'
import type { Universe } from './universe.ts'

/** All versions, and the releases that held each. */
export interface DatedUniverse {
  readonly universe: Universe
  /** By number of package. */
  readonly spans: readonly (readonly ReleaseRange[])[]
  /** The releases that were read. */
  readonly range: ReleaseRange
}

export type Mixture =
  | { readonly ok: true; /** The newest first. */ readonly releases: readonly number[] }
  /** No mixture of any size. */
  | { readonly ok: false; readonly contradiction: readonly Rule[] }
  /** There is one, and it takes more than MIXTURE_RELEASES_MAX releases. */
  | { readonly ok: false; readonly contradiction: null }

/** @throws FreshetError SOLVER_GAVE_UP. */
export async function findMixture(dated: DatedUniverse, request: PlanRequest): Promise<Mixture> {
  const { universe } = dated
  const formula = await Formula.open(universe, { essentials: false })
  try {
    const demands = demandsOf(universe, request)
    const hard = demands.map(({ satisfying }) => formula.oneOf(satisfying))
    const releases = addReleases(formula, dated, new Set(request.installed))
    if (!formula.solve(hard)) {
      const alone = await contradiction(universe, demands, false)
      return { ok: false, contradiction: alone.length > 0 ? alone : await contradiction(universe, demands) }
    }
    const atMost = countReleases(formula, [...releases.values()])
    const size = atMost.findIndex((bound) => formula.solve([...hard, bound])) + 1
    if (size === 0) return { ok: false, contradiction: null }
    return { ok: true, releases: newestOf(formula, releases, [...hard, atMost[size - 1] as Literal], size) }
  } finally {
    formula.close()
  }
}

/** Says where packages can be had from. @returns release → literal that it is taken, the newest first. */
function addReleases(formula: Formula, dated: DatedUniverse, installed: ReadonlySet<number>): Map<number, Literal> {
  const { universe, spans } = dated
  const essentials = universe.essentials()
  for (const id of essentials.flat()) formula.literal(id)
  const packages = [...formula.packages]
  const releases = new Map(
    standing(
      dated,
      packages.map(([id]) => id),
    ).map((number) => [number, formula.variable()] as const),
  )
  formula.clause([...releases.values()])
  for (const [id, literal] of packages) {
    if (installed.has(id)) continue
    const holding = [...releases].filter(([number]) => isHeld(spans[id] ?? [], number))
    if (holding.length < releases.size) formula.clause([-literal, ...holding.map(([, taken]) => taken)])
  }
  for (const ids of essentials) {
    const literals = ids.map((id) => formula.literal(id))
    for (const [number, taken] of releases) {
      if (ids.some((id) => isHeld(spans[id] ?? [], number))) formula.clause([-taken, ...literals])
    }
  }
  return releases
}

/** Releases that stand for all others, the newest first. @param ids packages that could be needed. */
function standing({ universe, spans, range }: DatedUniverse, ids: readonly number[]): number[] {
  const found = new Set([range.last])
  for (const id of ids) for (const { last } of spans[id] ?? []) found.add(last)
  for (const essential of universe.essentials()) {
    for (const { first } of essential.flatMap((id) => spans[id] ?? [])) if (first > range.first) found.add(first - 1)
  }
  return [...found].sort((a, b) => b - a)
}

/** @returns literals, of which number i says: at most i + 1 of these hold. A counter that goes from the first to the last. */
function countReleases(formula: Formula, taken: readonly Literal[]): Literal[] {
  let before: Literal[] = []
  for (const literal of taken) {
    // counted[j]: of those so far, more than j hold.
    const counted = Array.from({ length: MIXTURE_RELEASES_MAX + 1 }, () => formula.variable())
    formula.clause([-literal, counted[0] as Literal])
    for (const [j, more] of before.entries()) {
      formula.clause([-more, counted[j] as Literal])
      if (j < MIXTURE_RELEASES_MAX) formula.clause([-more, -literal, counted[j + 1] as Literal])
    }
    before = counted
  }
  return before.slice(1).map((more) => -more)
}

/** Of the mixtures of this size, which is the smallest there is, the newest. @param fixed what must hold, the size with it. */
function newestOf(
  formula: Formula,
  releases: ReadonlyMap<number, Literal>,
  fixed: readonly Literal[],
  size: number,
): number[] {
  const chosen: number[] = []
  let held = [...fixed]
  for (const [number, taken] of releases) {
    if (chosen.length === size) break
    if (!formula.solve([...held, taken])) continue
    held = [...held, taken]
    chosen.push(number)
  }
  return chosen
}
