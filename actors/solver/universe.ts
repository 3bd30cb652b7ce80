/**
 * All packages that may be installed on a machine of one architecture, and what their relations come to: who satisfies what, who
 * cannot stand beside whom.
 *
 * Packages are numbered in the order they came, and a number is never given twice, so that sets of them are arrays. What a group
 * of relations comes to is worked out when it is first asked for, and forgotten when a package that it names comes or goes.
 *
 * A relation without an architecture is about packages of the architecture that asks (`all` counts as the machine's own), or
 * Multi-Arch: foreign ones; `:any` is about Multi-Arch: allowed and foreign ones. Conflicts and Breaks without one are about all.
 * A package is never in conflict with itself, nor with what it provides itself, and of one name there is one version at a time:
 * one package, or several that are Multi-Arch: same, of different architectures.
 * Source: Debian Policy 7; for architectures `archsatisfied` of dpkg (lib/dpkg/depcon.c).
 */
import { compareVersions } from '../../schemas/debian-version.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { SOLVER_PAIRS_MAX, VERSIONS_AT_ONCE_MAX } from '../../schemas/limits.ts'
import { admitsVersion } from '../../schemas/relation.ts'
import type { Relation, RelationGroup } from '../../schemas/relation.ts'
import { needsOf, refusalsOf } from './candidate.ts'
import type { Candidate } from './candidate.ts'

/** A package, and what it says about a name. */
interface Said {
  readonly id: number
  readonly relation: Relation
}

interface Named {
  /** Packages of this name, the newest first. */
  own: number[]
  provided: Said[]
  refused: Said[]
  /** Needs that name it. */
  needs: number[]
}

/** A group of relations, as packages of one architecture ask for it. */
interface Need {
  readonly group: RelationGroup
  readonly architecture: string
  /** Packages that ask for it. */
  askers: number[]
  /** Null: to be worked out. */
  satisfying: readonly number[] | null
}

/** What a release changes. */
export interface Change {
  /** Numbers of the packages that came. */
  readonly came: readonly number[]
  /** Needs that a package which came or went could satisfy. */
  readonly needs: ReadonlySet<number>
}

const NOBODY: readonly number[] = []

export class Universe {
  /** The machine's own architecture. */
  readonly architecture: string
  readonly #candidates: (Candidate | null)[] = []
  readonly #names = new Map<string, Named>()
  readonly #needs: Need[] = []
  /** Architecture that asks → group → number of the need. */
  readonly #needNumbers = new Map<string, Map<RelationGroup, number>>()
  /** Package → what it needs. */
  readonly #needsOf: (readonly number[])[] = []
  readonly #conflicts: (readonly number[] | undefined)[] = []
  readonly #essential = new Map<string, number[]>()
  /** Entries of the lists that were worked out so far. */
  #found = 0

  constructor(architecture: string, candidates: Iterable<Candidate> = []) {
    this.architecture = architecture
    for (const candidate of candidates) this.#add(candidate)
  }

  /** Numbers are below this. */
  get size(): number {
    return this.#candidates.length
  }

  /** Packages of `went` are gone, and their numbers stand for nothing; of what is here already nothing comes a second time. */
  change(went: readonly number[], came: readonly Candidate[]): Change {
    const needs = this.#needsNaming([...went.map((id) => this.candidate(id)), ...came])
    const gone = new Set(went)
    for (const need of new Set(went.flatMap((id) => this.needs(id)))) {
      const asked = this.#need(need)
      asked.askers = asked.askers.filter((asker) => !gone.has(asker)) // once for all: half of Debian asks for libc6
    }
    for (const id of went) this.#remove(id)
    const added = came.map((candidate) => this.#add(candidate))
    for (const need of needs) this.#need(need).satisfying = null
    return { came: added, needs }
  }

  #add(candidate: Candidate): number {
    const known = this.find(candidate)
    if (known !== null) return known
    const id = this.#candidates.push(candidate) - 1
    this.#nameOwn(candidate, id)
    this.#needsOf[id] = this.#ask(candidate, id)
    this.#say('provided', candidate.relations.provides, id)
    this.#say('refused', refusalsOf(candidate), id)
    if (candidate.relations.essential) {
      this.#essential.set(candidate.name, [...(this.#essential.get(candidate.name) ?? []), id])
    }
    if (this.#conflicts.length > 0) this.#forgetConflicts(id)
    return id
  }

  #remove(id: number): void {
    const candidate = this.candidate(id)
    const { name, relations } = candidate
    this.#forgetConflicts(id)
    const named = this.#named(name)
    named.own = named.own.filter((own) => own !== id)
    this.#unsay('provided', relations.provides, id)
    this.#unsay('refused', refusalsOf(candidate), id)
    const left = (this.#essential.get(name) ?? []).filter((other) => other !== id)
    if (left.length > 0) this.#essential.set(name, left)
    else this.#essential.delete(name)
    this.#needsOf[id] = NOBODY
    this.#candidates[id] = null
    this.#conflicts[id] = NOBODY
  }

  has(id: number): boolean {
    return this.#candidates[id] !== null && this.#candidates[id] !== undefined
  }

  candidate(id: number): Candidate {
    const candidate = this.#candidates[id]
    if (candidate === null || candidate === undefined) throw new RangeError(`package ${id} is not here`)
    return candidate
  }

  /** Numbers of all that are here, in the order they came. */
  *ids(): Iterable<number> {
    for (let id = 0; id < this.size; id++) if (this.#candidates[id] !== null) yield id
  }

  find({ name, version, architecture, edition }: Omit<Candidate, 'relations' | 'source' | 'ordinal'>): number | null {
    const found = this.named(name).find((id) => {
      const own = this.candidate(id)
      return own.version === version && own.architecture === architecture && own.edition === edition
    })
    return found ?? null
  }

  /** Packages of this name, the newest first. */
  named(name: string): readonly number[] {
    return this.#names.get(name)?.own ?? NOBODY
  }

  /** Packages that provide this name, in the order they came. */
  providing(name: string): number[] {
    return [...new Set((this.#names.get(name)?.provided ?? []).map(idOf))]
  }

  /** For each name that a machine cannot do without: the packages that are marked so, the newest first. */
  essentials(): readonly (readonly number[])[] {
    return [...this.#essential.values()]
  }

  /** Numbers of what this package needs: each of them must be satisfied. */
  needs(id: number): readonly number[] {
    return this.#needsOf[id] ?? NOBODY
  }

  group(need: number): RelationGroup {
    return this.#need(need).group
  }

  /** Packages that have this need. */
  askers(need: number): readonly number[] {
    return this.#need(need).askers
  }

  /** Packages that any one of which satisfies the need, in the order they are preferred. */
  satisfying(need: number): readonly number[] {
    const asked = this.#need(need)
    return (asked.satisfying ??= this.#counted(this.#findSatisfying(asked)))
  }

  /** The same for a group that nothing needs: what is recommended. @param from the architecture that asks. */
  offering(group: RelationGroup, from: string): readonly number[] {
    return this.#findSatisfying({ group, architecture: this.#effective(from) })
  }

  /** Needs that name what this package is called or provides. */
  needsAbout(id: number): ReadonlySet<number> {
    return this.#needsNaming([this.candidate(id)])
  }

  /** Packages that cannot be installed beside this one, whichever side says so. */
  conflicting(id: number): readonly number[] {
    const known = this.#conflicts[id]
    if (known !== undefined) return known
    return (this.#conflicts[id] = this.#isAlone(id) ? NOBODY : this.#counted(this.#findConflicting(id)))
  }

  /** Nearly all packages: nobody else of the name, and no word of conflicts on any side. */
  #isAlone(id: number): boolean {
    const candidate = this.candidate(id)
    const { provides, conflicts, breaks } = candidate.relations
    if (provides.length > 0 || conflicts.length > 0 || breaks.length > 0) return false
    const { own, refused } = this.#named(candidate.name)
    return own.length === 1 && refused.length === 0
  }

  #findConflicting(id: number): number[] {
    const found = new Set<number>()
    const candidate = this.candidate(id)
    for (const [relation] of refusalsOf(candidate)) {
      if (relation !== undefined) for (const other of this.#meant(relation)) found.add(other)
    }
    for (const name of namesOf(candidate)) {
      for (const said of this.#named(name).refused) if (this.#means(said.relation, name, candidate)) found.add(said.id)
    }
    for (const other of this.named(candidate.name)) {
      if (stoodBeside(candidate, this.candidate(other))) found.delete(other)
      else found.add(other)
    }
    found.delete(id)
    return [...found]
  }

  #needsNaming(candidates: readonly Candidate[]): Set<number> {
    return new Set(candidates.flatMap(namesOf).flatMap((name) => this.#names.get(name)?.needs ?? NOBODY))
  }

  #need(number: number): Need {
    const need = this.#needs[number]
    if (need === undefined) throw new RangeError(`need ${number} is not here`)
    return need
  }

  #findSatisfying({ group, architecture }: Pick<Need, 'group' | 'architecture'>): readonly number[] {
    const [first, ...more] = group.map((relation) => this.#offering(relation, architecture))
    return more.length === 0 ? (first ?? NOBODY) : [...new Set([first ?? NOBODY, ...more].flat())]
  }

  /** Packages that one relation of a dependency would take: those of its name before those that provide it. */
  #offering(relation: Relation, from: string): number[] {
    const { own, provided } = this.#named(relation.name)
    const fits = (id: number, qualifier: string | null): boolean =>
      this.#isUsable(id) && this.#servesArchitecture(relation.qualifier, from, this.candidate(id), qualifier)
    const called = own.filter((id) => fits(id, null) && admitsVersion(relation, this.candidate(id).version))
    if (provided.length === 0) return called
    const providing = provided.filter(({ id, relation: offer }) => fits(id, offer.qualifier) && meets(relation, offer))
    return [...new Set([...called, ...providing.map(idOf)])]
  }

  /** A package with a fault cannot be installed, so it satisfies nobody. */
  #isUsable(id: number): boolean {
    return this.candidate(id).relations.fault === null
  }

  #servesArchitecture(wanted: string | null, from: string, of: Candidate, offered: string | null): boolean {
    const { multiArch } = of.relations
    if (wanted === null && multiArch === 'foreign') return true
    if (wanted === 'any' && (multiArch === 'foreign' || multiArch === 'allowed')) return true
    if (offered === 'any') return true
    const architecture = wanted === null ? from : wanted === 'native' ? this.architecture : wanted
    return architecture === this.#effective(offered ?? of.architecture)
  }

  /** All packages that a relation of Conflicts or Breaks is about. */
  #meant(relation: Relation): number[] {
    const { own, provided } = this.#named(relation.name)
    return [...own, ...provided.map(idOf)].filter((id) => this.#means(relation, relation.name, this.candidate(id)))
  }

  /** Whether a relation of Conflicts or Breaks about `name` is about this package, which is called or provides that. */
  #means(relation: Relation, name: string, candidate: Candidate): boolean {
    const { qualifier } = relation
    const isOf = (architecture: string): boolean =>
      qualifier === null ||
      qualifier === 'any' ||
      this.#effective(architecture) === (qualifier === 'native' ? this.architecture : qualifier)
    if (candidate.name === name && admitsVersion(relation, candidate.version) && isOf(candidate.architecture))
      return true
    return candidate.relations.provides.some(
      ([offer]) => offer?.name === name && meets(relation, offer) && isOf(candidate.architecture),
    )
  }

  #effective(architecture: string): string {
    return architecture === 'all' ? this.architecture : architecture
  }

  #named(name: string): Named {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const named: Named = { own: [], provided: [], refused: [], needs: [] }
    this.#names.set(name, named)
    return named
  }

  /** Among those of its name, the newest first. */
  #nameOwn({ name, version }: Candidate, id: number): void {
    const { own } = this.#named(name)
    if (own.length >= VERSIONS_AT_ONCE_MAX) {
      throw new FreshetError('INDEX_TOO_LARGE', `more than ${VERSIONS_AT_ONCE_MAX} packages are called ${name}`, {
        name,
      })
    }
    const at = own.findIndex((other) => compareVersions(this.candidate(other).version, version) < 0)
    own.splice(at < 0 ? own.length : at, 0, id)
  }

  /** What is worked out is kept, and an index could be made so that it does not fit into memory. */
  #counted(found: readonly number[]): readonly number[] {
    this.#found += found.length
    if (this.#found <= SOLVER_PAIRS_MAX) return found
    throw new FreshetError('SOLVER_GAVE_UP', `more than ${SOLVER_PAIRS_MAX} packages that satisfy or refuse each other`)
  }

  /** @returns the numbers of what the package needs. */
  #ask(candidate: Candidate, id: number): number[] {
    const architecture = this.#effective(candidate.architecture)
    const numbers = this.#needNumbers.get(architecture) ?? new Map<RelationGroup, number>()
    this.#needNumbers.set(architecture, numbers)
    return needsOf(candidate).map((group) => {
      const known = numbers.get(group)
      if (known !== undefined) {
        this.#need(known).askers.push(id)
        return known
      }
      const number = this.#needs.push({ group, architecture, askers: [id], satisfying: null }) - 1
      numbers.set(group, number)
      for (const { name } of group) this.#named(name).needs.push(number)
      return number
    })
  }

  #say(list: 'provided' | 'refused', groups: readonly RelationGroup[], id: number): void {
    for (const [relation] of groups) {
      if (relation !== undefined) this.#named(relation.name)[list].push({ id, relation })
    }
  }

  #unsay(list: 'provided' | 'refused', groups: readonly RelationGroup[], id: number): void {
    for (const [relation] of groups) {
      if (relation === undefined) continue
      const named = this.#named(relation.name)
      named[list] = named[list].filter((said) => said.id !== id)
    }
  }

  /** Of whatever this package, which has just come or is about to go, may be in conflict with. */
  #forgetConflicts(id: number): void {
    for (const other of [id, ...this.#findConflicting(id)]) this.#conflicts[other] = undefined
  }
}

/** What a package can be asked for by. */
function namesOf({ name, relations: { provides } }: Candidate): string[] {
  if (provides.length === 0) return [name]
  return [...new Set([name, ...provides.flatMap(([relation]) => (relation === undefined ? [] : [relation.name]))])]
}

/** An offer without a version meets only what asks for none (Policy 7.5). */
function meets(relation: Relation, offer: Relation): boolean {
  return relation.operator === null || (offer.operator !== null && admitsVersion(relation, offer.version))
}

/** Whether two packages of one name may be installed at once. */
function stoodBeside(a: Candidate, b: Candidate): boolean {
  const isSame = a.relations.multiArch === 'same' && b.relations.multiArch === 'same'
  return isSame && a.architecture !== b.architecture && compareVersions(a.version, b.version) === 0
}

function idOf({ id }: Said): number {
  return id
}
