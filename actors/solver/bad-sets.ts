/** Versions that are known to be bad together: a plan has never all of one set, unless the machine has them already. */
import type { Formula } from './formula.ts'

export interface BadSet {
  /** Why not, as somebody reads it. */
  readonly text: string
  /** Packages of each version, by their numbers: one for each architecture. */
  readonly members: readonly (readonly number[])[]
}

/** Whether all of it is in `installed`. */
export function isWithin({ members }: BadSet, installed: ReadonlySet<number>): boolean {
  return members.every((ids) => ids.some((id) => installed.has(id)))
}

/** From now on, one of its versions at least is not installed. */
export function forbid(formula: Formula, { members }: BadSet): void {
  const installed = members.map((ids) => {
    const any = formula.variable()
    for (const id of ids) formula.clause([-formula.literal(id), any])
    return any
  })
  formula.clause(installed.map((literal) => -literal))
}
