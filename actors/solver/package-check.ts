/**
 * Which packages of a universe can be installed, each on a machine of its own that has nothing but what is essential.
 *
 * What needs something that nobody satisfies is out at once. Then sets that can be installed together are grown greedily
 * (actors/solver/install-set.ts): a dozen of them prove nearly all packages of a suite, and only what is left is for the SAT
 * solver, whose answers become sets, too. The sets are kept: a release that changes little takes little away from them, so that the next
 * check costs the change.
 */
import type { Candidate } from './candidate.ts'
import { contradiction } from './explain.ts'
import { Formula } from './formula.ts'
import { InstallSet } from './install-set.ts'
import { needRule } from './rules.ts'
import type { Demand, Rule } from './rules.ts'
import type { Universe } from './universe.ts'

export class PackageCheck {
  readonly universe: Universe
  #sets: InstallSet[] = []
  /** Package → the rule that it fails by, where that can be told without the SAT solver. */
  #broken = new Map<number, Rule | null>()

  private constructor(universe: Universe) {
    this.universe = universe
  }

  static async run(universe: Universe): Promise<PackageCheck> {
    const check = new PackageCheck(universe)
    await check.#prove([...universe.ids()])
    return check
  }

  /** Numbers of the packages that cannot be installed, ascending. */
  get broken(): number[] {
    return [...this.#broken.keys()].sort((a, b) => a - b)
  }

  /**
   * Goes on to the next release: `went` are gone, `came` are new. A package whose stanza changed is in both.
   * @returns numbers of those that came.
   */
  async advance(went: readonly number[], came: readonly Candidate[]): Promise<readonly number[]> {
    const { universe } = this
    for (const set of this.#sets) set.take(went)
    const change = universe.change(went, came)
    const lost: number[] = []
    this.#sets = this.#sets.filter((set) => {
      const { dropped, whole } = set.mend(change)
      lost.push(...dropped, ...(whole ? [] : set.members()))
      return whole
    })
    const open = new Set([...this.#broken.keys(), ...change.came, ...lost].filter((id) => universe.has(id)))
    this.#broken = new Map()
    await this.#prove([...open].sort((a, b) => a - b))
    return change.came
  }

  /** Rules that contradict that this broken package is installed. */
  async reason(id: number): Promise<Rule[]> {
    const rule = this.#broken.get(id)
    if (rule !== null && rule !== undefined) return this.#chain(id)
    const wish: Demand = { kind: 'demand', satisfying: [id], because: 'asked for' }
    return (await contradiction(this.universe, [wish])).filter((found) => found !== wish)
  }

  async #prove(ids: readonly number[]): Promise<void> {
    const unproven = ids.filter((id) => !this.#sets.some((set) => set.has(id)))
    this.#findHopeless(unproven)
    let open = unproven.filter((id) => !this.#broken.has(id))
    for (const set of this.#sets) open = open.filter((id) => !set.add(id))
    while (open.length > 0) {
      const set = InstallSet.withEssentials(this.universe)
      if (set === null) break
      for (const id of open) set.add(id)
      const left = open.filter((id) => !set.has(id))
      if (left.length === open.length) break
      this.#sets.push(set)
      open = left
    }
    await this.#solve(open)
  }

  /** Packages of `open` that need something nobody satisfies but such packages. What is not in `open` is proven. */
  #findHopeless(open: readonly number[]): void {
    for (let waiting = open, found = -1; found !== 0;) {
      const left = waiting.filter((id) => {
        const rule = this.#hopeless(id)
        if (rule !== null) this.#broken.set(id, rule)
        return rule === null
      })
      found = waiting.length - left.length
      waiting = left
    }
  }

  #hopeless(id: number): Rule | null {
    const { universe } = this
    const { fault } = universe.candidate(id).relations
    if (fault !== null) return { kind: 'fault', id, fault }
    const need = universe.needs(id).find((n) => universe.satisfying(n).every((other) => this.#broken.has(other)))
    return need === undefined ? null : needRule(universe, id, need)
  }

  /** Follows what the packages found by #findHopeless need, as far as it goes. */
  #chain(from: number): Rule[] {
    const rules: Rule[] = []
    const waiting = [from]
    const seen = new Set<number>()
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const rule = this.#broken.get(id)
      if (seen.has(id) || rule === undefined || rule === null) continue
      seen.add(id)
      rules.push(rule)
      if (rule.kind === 'needs') waiting.push(...rule.satisfying)
    }
    return rules
  }

  async #solve(open: readonly number[]): Promise<void> {
    if (open.length === 0) return
    const formula = await Formula.open(this.universe)
    try {
      for (const id of open) {
        if (this.#sets.some((set) => set.has(id))) continue
        if (formula.solve([formula.literal(id)])) this.#sets.push(InstallSet.of(this.universe, formula.installed()))
        else this.#broken.set(id, null)
      }
    } finally {
      formula.close()
    }
  }
}
