/** Rules of a universe, one by one, each as somebody could read it: what a package needs, and what cannot stand beside what. */
import type { FreshetError } from '../../schemas/errors.ts'
import type { RelationGroup } from '../../schemas/relation.ts'
import type { Universe } from './universe.ts'

/** Packages are given by their numbers. */
export type Rule =
  | {
      readonly kind: 'needs'
      readonly id: number
      readonly group: RelationGroup
      /** One of these must be installed, too. */
      readonly satisfying: readonly number[]
    }
  | { readonly kind: 'conflict'; readonly id: number; readonly other: number }
  | { readonly kind: 'fault'; readonly id: number; readonly fault: FreshetError }
  | Demand

/** One of these must be installed, whoever else needs it. */
export interface Demand {
  readonly kind: 'demand'
  readonly satisfying: readonly number[]
  readonly because: 'asked for' | 'essential' | 'installed' | 'held'
}

/** What must hold where this package is installed. A conflict is a rule of both. */
export function* rulesOf(universe: Universe, id: number): Iterable<Rule> {
  const { fault } = universe.candidate(id).relations
  if (fault !== null) yield { kind: 'fault', id, fault }
  for (const need of universe.needs(id)) yield needRule(universe, id, need)
  for (const other of universe.conflicting(id)) yield { kind: 'conflict', id, other }
}

/** @param need one of what the package needs. */
export function needRule(universe: Universe, id: number, need: number): Rule {
  return { kind: 'needs', id, group: universe.group(need), satisfying: universe.satisfying(need) }
}
