/**
 * The rules of a universe as a formula for a SAT solver: one variable for each package, true where it is installed.
 *
 * Only packages that something asked about could need are in it, so that a question about one package costs its own
 * surroundings and not the whole suite. Everything that a machine cannot do without (Essential) is asked about from the start.
 * Engine: CaDiCaL, which is complete and, asked the same in the same order, gives the same answer.
 */
import { Cadical, loadCadical } from 'cadical-wasm'
import { FreshetError } from '../../schemas/errors.ts'
import { SOLVER_CONFLICTS_MAX } from '../../schemas/limits.ts'
import { rulesOf } from './rules.ts'
import type { Demand, Rule } from './rules.ts'
import type { Universe } from './universe.ts'

/** A variable, or its opposite where it is negative. */
export type Literal = number

export class Formula {
  readonly #universe: Universe
  readonly #solver: Cadical
  readonly #variables = new Map<number, Literal>()
  /** Packages whose rules are in the formula. */
  readonly #ruled = new Set<number>()
  /** Where rules can be left out: the literal under which each holds. */
  readonly #guards: Map<Literal, Rule> | null
  #last = 0

  private constructor(universe: Universe, solver: Cadical, guarded: boolean) {
    this.#universe = universe
    this.#solver = solver
    this.#guards = guarded ? new Map() : null
  }

  /**
   * Close it: its memory is not of the garbage collector's.
   * @param guarded each rule holds only where its guard is assumed.
   * @param essentials what a machine cannot do without is asked about from the start.
   */
  static async open(universe: Universe, { guarded = false, essentials = true } = {}): Promise<Formula> {
    // Without a reason to install something, it is not installed.
    const formula = new Formula(universe, new Cadical(await loadCadical(), { quiet: true, phase: false }), guarded)
    for (const satisfying of essentials ? universe.essentials() : []) {
      formula.demand({ kind: 'demand', satisfying, because: 'essential' })
    }
    return formula
  }

  close(): void {
    this.#solver.dispose()
  }

  /** The variable of a package, whose rules, and those of all that it could need, are in the formula from now on. */
  literal(id: number): Literal {
    const known = this.#variables.get(id)
    if (known !== undefined) return known
    const literal = this.#name(id)
    const waiting = [id]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) this.#addRules(next, waiting)
    return literal
  }

  demand(demand: Demand): void {
    this.#add(demand, this.#literals(demand.satisfying))
  }

  /** A literal that says: one of these is installed. */
  oneOf(ids: readonly number[]): Literal {
    const literal = ++this.#last
    this.#solver.addClause([-literal, ...this.#literals(ids)])
    return literal
  }

  /** A literal of nothing so far, for what is to be said of packages beyond their rules. */
  variable(): Literal {
    return ++this.#last
  }

  /** From now on, one of these holds. */
  clause(literals: readonly Literal[]): void {
    this.#solver.addClause([...literals])
  }

  /** Packages whose rules are in the formula, and their variables. */
  get packages(): ReadonlyMap<number, Literal> {
    return this.#variables
  }

  /** Guard → rule. */
  get guards(): ReadonlyMap<Literal, Rule> {
    return this.#guards ?? new Map()
  }

  /** @throws FreshetError SOLVER_GAVE_UP where the question is harder than any that real suites ask. */
  solve(assumptions: readonly Literal[]): boolean {
    const answer = this.#solver.solve({ assumptions, conflicts: SOLVER_CONFLICTS_MAX })
    if (answer !== 'unknown') return answer === 'satisfiable'
    throw new FreshetError('SOLVER_GAVE_UP', `no answer within ${SOLVER_CONFLICTS_MAX} conflicts`)
  }

  /** After an answer of yes: numbers of the packages that are installed there. */
  installed(): Set<number> {
    const installed = new Set<number>()
    for (const [id, literal] of this.#variables) if (this.#solver.value(literal)) installed.add(id)
    return installed
  }

  /** After an answer of no: assumptions that cannot hold together. */
  failed(): Literal[] {
    return this.#solver.failedAssumptions()
  }

  #literals(ids: readonly number[]): Literal[] {
    return ids.map((id) => this.literal(id))
  }

  #name(id: number): Literal {
    const literal = ++this.#last
    this.#variables.set(id, literal)
    return literal
  }

  /** @param waiting takes up packages that have come into the formula by it. */
  #addRules(id: number, waiting: number[]): void {
    const own = this.#variables.get(id) as Literal
    const literalOf = (other: number): Literal => {
      const known = this.#variables.get(other)
      if (known === undefined) waiting.push(other)
      return known ?? this.#name(other)
    }
    for (const rule of rulesOf(this.#universe, id)) {
      if (rule.kind === 'needs') this.#add(rule, [-own, ...rule.satisfying.map(literalOf)])
      else if (rule.kind === 'fault') this.#add(rule, [-own])
      // A conflict counts once, when the second of the two comes; with what never comes there is none.
      else if (rule.kind === 'conflict' && this.#ruled.has(rule.other)) this.#add(rule, [-own, -literalOf(rule.other)])
    }
    this.#ruled.add(id)
  }

  #add(rule: Rule, clause: readonly Literal[]): void {
    if (this.#guards === null) return this.#solver.addClause(clause)
    const guard = ++this.#last
    this.#guards.set(guard, rule)
    this.#solver.addClause([-guard, ...clause])
  }
}
