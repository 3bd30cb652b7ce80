/**
 * A set of packages that can be installed together: everything that its members depend on is in it, and no two of them are in
 * conflict. It grows by one package at a time, with what that one needs and the set lacks.
 *
 * Growing is greedy: the first alternative that fits is taken, and never taken back for a later one. So what is in the set is
 * proven, and what could not be added is not disproven.
 */
import { INSTALL_DEPTH_MAX } from '../../schemas/limits.ts'
import type { Change, Universe } from './universe.ts'

export class InstallSet {
  readonly #universe: Universe
  /** By number of package, as all below: 1 for a member. */
  #members: Uint8Array
  /** With how many members it is in conflict. */
  #refused: Uint32Array
  /** 1 for what could not be added: as the set only grows, it cannot be later. */
  #failed: Uint8Array
  /** What the addition under way has added so far, for taking it back. */
  readonly #trail: number[] = []

  private constructor(universe: Universe) {
    this.#universe = universe
    const capacity = capacityFor(universe.size)
    this.#members = new Uint8Array(capacity)
    this.#refused = new Uint32Array(capacity)
    this.#failed = new Uint8Array(capacity)
  }

  /** What a machine cannot do without. @returns null where that was not found. */
  static withEssentials(universe: Universe): InstallSet | null {
    const set = new InstallSet(universe)
    return set.#addEssentials() ? set : null
  }

  /** A set that is known to be one. */
  static of(universe: Universe, members: Iterable<number>): InstallSet {
    const set = new InstallSet(universe)
    for (const id of members) set.#enter(id)
    return set
  }

  has(id: number): boolean {
    return this.#members[id] === 1
  }

  members(): number[] {
    return [...this.#members.keys()].filter((id) => this.has(id))
  }

  /** Adds a package and what it needs. @returns false when that was not found: nothing has changed then. */
  add(id: number): boolean {
    this.#trail.length = 0
    return this.#add(id, 0)
  }

  /** Takes packages out that are about to leave the universe. What depends on them is then for `mend`. */
  take(ids: Iterable<number>): void {
    for (const id of ids) if (this.has(id)) this.#leave(id)
  }

  /**
   * Makes it a set again after the universe has changed: drops what has lost something that it needs and finds no other. Of what came
   * it takes only what is needed here.
   * @returns what was dropped; and whether it has what is essential, or else is no such set any more.
   */
  mend({ came, needs }: Change): { readonly dropped: readonly number[]; readonly whole: boolean } {
    const { size } = this.#universe
    if (size > this.#members.length) {
      const capacity = capacityFor(size)
      this.#members = lengthened(this.#members, new Uint8Array(capacity))
      this.#refused = lengthened(this.#refused, new Uint32Array(capacity))
      this.#failed = new Uint8Array(capacity)
    }
    this.#failed.fill(0)
    for (const id of came) this.#refused[id] = this.#universe.conflicting(id).filter((other) => this.has(other)).length
    const dropped: number[] = []
    const concerned = [...needs]
    for (let need = concerned.pop(); need !== undefined; need = concerned.pop()) {
      for (const id of this.#unsatisfied(need)) {
        this.#leave(id)
        dropped.push(id)
        concerned.push(...this.#universe.needsAbout(id))
      }
    }
    return { dropped, whole: this.#addEssentials() }
  }

  /** Members that have this need where nothing in the set satisfies it, and nothing that does can be added. */
  #unsatisfied(need: number): number[] {
    const satisfying = this.#universe.satisfying(need)
    if (this.#hasOneOf(satisfying)) return []
    const asking = this.#universe.askers(need).filter((id) => this.has(id))
    return asking.length > 0 && !satisfying.some((id) => this.add(id)) ? asking : []
  }

  #addEssentials(): boolean {
    return this.#universe.essentials().every((ids) => this.#hasOneOf(ids) || ids.some((id) => this.add(id)))
  }

  #hasOneOf(ids: readonly number[]): boolean {
    return ids.some((id) => this.#members[id] === 1)
  }

  #add(id: number, depth: number): boolean {
    if (this.has(id)) return true
    if (this.#failed[id] === 1 || this.#refused[id] !== 0 || depth > INSTALL_DEPTH_MAX) return false
    if (this.#universe.candidate(id).relations.fault !== null) return false
    const mark = this.#trail.length
    this.#enter(id)
    this.#trail.push(id)
    for (const need of this.#universe.needs(id)) {
      const satisfying = this.#universe.satisfying(need)
      if (this.#hasOneOf(satisfying) || satisfying.some((other) => this.#add(other, depth + 1))) continue
      while (this.#trail.length > mark) this.#leave(this.#trail.pop() as number)
      this.#failed[id] = 1
      return false
    }
    return true
  }

  #enter(id: number): void {
    this.#members[id] = 1
    for (const other of this.#universe.conflicting(id)) this.#refused[other] = (this.#refused[other] ?? 0) + 1
  }

  #leave(id: number): void {
    this.#members[id] = 0
    for (const other of this.#universe.conflicting(id)) this.#refused[other] = (this.#refused[other] ?? 0) - 1
  }
}

/**
 * With room for some releases: new arrays for every set and release would be ten megabytes each time, and what the garbage collector
 * does about that takes longer than all the rest.
 */
function capacityFor(size: number): number {
  return Math.ceil(size * 1.125)
}

function lengthened<Numbers extends Uint8Array | Uint32Array>(before: Numbers, after: Numbers): Numbers {
  after.set(before)
  return after
}
