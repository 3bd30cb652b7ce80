/**
 * A release checked for what cannot be installed, for each of its architectures, which goes on to other releases of the same
 * channel by what came and went.
 *
 * Stanzas are known by where they stand in the log, so that a release is told by runs, and only what came has to be read.
 * An index may name one package twice; the first stanza counts then. Where such a one comes or goes it cannot go on, and is to be made anew.
 */
import { CHECK_GROWTH_MAX } from '../../schemas/check-limits.ts'
import type { Run } from '../../schemas/edit-script.ts'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import { architectureOfIndex, architecturesOfIndexes } from '../../schemas/index-path.ts'
import { RelationParser } from '../../schemas/relation.ts'
import { brokenPackages, differenceOfBroken } from './broken-packages.ts'
import type { BrokenPackage } from './broken-packages.ts'
import type { Candidate } from './candidate.ts'
import { explanationLines } from './explain.ts'
import { PackageCheck } from './package-check.ts'
import { readCandidates } from './read-candidates.ts'
import { Universe } from './universe.ts'

/** An index file of the release to begin with. */
export interface CheckedIndex {
  readonly path: string
  readonly bytes: Buffer
  /** Where its stanzas stand in the log. */
  readonly runs: readonly Run[]
}

/** What of an index file came and went. */
export interface IndexChange {
  readonly path: string
  readonly removed: readonly Run[]
  readonly added: readonly PlacedText[]
}

export interface PlacedText {
  readonly block: number
  readonly ordinal: number
  readonly text: Buffer
}

export interface ExplainedPackage extends BrokenPackage {
  /** Whether it became so; false, too, where there is nothing to compare with. */
  readonly isNew: boolean
  /** Steps that show why, the first about the package itself; none where nobody asked. */
  readonly reason: readonly string[]
}

export interface CheckQuestion {
  /** What could not be installed from the release before, by architecture; null: there is none to compare with. */
  readonly before: Readonly<Record<string, readonly BrokenPackage[]>> | null
  /** Of which packages the reason is told. */
  readonly explain: 'all' | 'became' | 'none'
}

export interface ArchitectureCheck {
  readonly architecture: string
  readonly packages: number
  /** Ordered by name. */
  readonly broken: readonly ExplainedPackage[]
  /** What could not be installed before and is still there; empty, too, where there is nothing to compare with. */
  readonly mended: readonly BrokenPackage[]
}

export class CheckedSnapshot {
  readonly #architectures: readonly CheckedArchitecture[]

  private constructor(architectures: readonly CheckedArchitecture[]) {
    this.#architectures = architectures
  }

  /** @throws as readCandidates; FreshetError EVENT_INVALID, SOLVER_GAVE_UP. */
  static async load(indexes: readonly CheckedIndex[]): Promise<CheckedSnapshot> {
    const architectures: CheckedArchitecture[] = []
    for (const architecture of architecturesOfIndexes(indexes.map(({ path }) => path))) {
      const own = indexes.filter(({ path }) => isFor(path, architecture))
      architectures.push(await CheckedArchitecture.load(architecture, own))
    }
    return new CheckedSnapshot(architectures)
  }

  /** @returns false where it could not go on: it is of no use then. @throws as readCandidates. */
  async advance(changes: readonly IndexChange[]): Promise<boolean> {
    for (const checked of this.#architectures) {
      const own = changes.filter(({ path }) => isFor(path, checked.architecture))
      if (!(await checked.advance(own))) return false
    }
    return true
  }

  async answer({ before, explain }: CheckQuestion): Promise<ArchitectureCheck[]> {
    const answers: ArchitectureCheck[] = []
    for (const checked of this.#architectures) {
      answers.push(await checked.answer(before?.[checked.architecture] ?? null, explain))
    }
    return answers
  }
}

function isFor(path: string, architecture: string): boolean {
  return [architecture, 'all'].includes(architectureOfIndex(path))
}

class CheckedArchitecture {
  readonly architecture: string
  readonly #parser: RelationParser
  readonly #check: PackageCheck
  /** Place of a stanza → number of its package. */
  readonly #ids: Map<number, number>
  /** Names of packages that the release has twice. */
  readonly #twice: ReadonlySet<string>

  private constructor(
    parser: RelationParser,
    check: PackageCheck,
    ids: Map<number, number>,
    twice: ReadonlySet<string>,
  ) {
    this.architecture = check.universe.architecture
    this.#parser = parser
    this.#check = check
    this.#ids = ids
    this.#twice = twice
  }

  static async load(architecture: string, indexes: readonly CheckedIndex[]): Promise<CheckedArchitecture> {
    const parser = new RelationParser()
    const candidates: Candidate[] = []
    const places: number[] = []
    for (const { path, bytes, runs } of indexes) {
      for (const candidate of readCandidates(bytes, path, parser)) candidates.push(withoutSource(candidate))
      for (const place of placesOf(runs)) places.push(place)
      if (candidates.length !== places.length)
        throw new FreshetError('EVENT_INVALID', `${path} is not cut as its runs say`)
    }
    const universe = new Universe(architecture, candidates)
    const ids = new Map<number, number>()
    const twice = new Set<string>()
    for (const [i, candidate] of candidates.entries()) {
      const id = universe.find(candidate) as number
      if (universe.candidate(id) === candidate) ids.set(places[i] as number, id)
      else twice.add(candidate.name)
    }
    return new CheckedArchitecture(parser, await PackageCheck.run(universe), ids, twice)
  }

  /** @returns false where it cannot: nothing is to be asked of it any more. */
  async advance(changes: readonly IndexChange[]): Promise<boolean> {
    const { universe } = this.#check
    const removed = changes.flatMap((change) => placesOf(change.removed))
    const went = removed.flatMap((place) => this.#ids.get(place) ?? [])
    const added = changes.flatMap((change) => change.added)
    const came = added.flatMap(({ text }) => readCandidates(text, STANZA, this.#parser)).map(withoutSource)
    if (went.length !== removed.length || came.length !== added.length || !this.#isPlain(went, came)) return false
    for (const place of removed) this.#ids.delete(place)
    if (universe.size + came.length > CHECK_GROWTH_MAX * (this.#ids.size + came.length)) return false
    try {
      const ids = await this.#check.advance(went, came)
      for (const [i, { block, ordinal }] of added.entries()) this.#ids.set(placeOf(block, ordinal), ids[i] as number)
      return true
    } catch (error) {
      if (asFreshetError(error).code === 'SOLVER_GAVE_UP') return false // what it counts only grows
      throw error
    }
  }

  /** Whether no package is twice in what comes and goes, or stays twice in the release. */
  #isPlain(went: readonly number[], came: readonly Candidate[]): boolean {
    const { universe } = this.#check
    const gone = new Set(went)
    const isFree = (candidate: Candidate): boolean => {
      const known = universe.find(candidate)
      return known === null || gone.has(known)
    }
    return (
      [...went.map((id) => universe.candidate(id)), ...came].every(({ name }) => !this.#twice.has(name)) &&
      came.every(isFree) &&
      new Set(came.map(({ name, version, architecture }) => `${name} ${version} ${architecture}`)).size === came.length
    )
  }

  async answer(before: readonly BrokenPackage[] | null, explain: CheckQuestion['explain']): Promise<ArchitectureCheck> {
    const { architecture } = this
    const check = this.#check
    const { became = [], mended = [] } = before === null ? {} : differenceOfBroken(before, check)
    const isNew = new Set(became)
    const found = brokenPackages(check)
    const broken: ExplainedPackage[] = []
    for (const [i, id] of check.broken.entries()) {
      const isTold = explain === 'all' || (explain === 'became' && isNew.has(id))
      const reason = isTold ? explanationLines(check.universe, await check.reason(id)) : []
      broken.push({ ...(found[i] as BrokenPackage), isNew: isNew.has(id), reason })
    }
    const packages = this.#ids.size
    return { architecture, packages, broken: broken.sort(byName), mended: mended.toSorted(byName) }
  }
}

/** However a check came to its release: numbers of packages depend on that. */
function byName(a: BrokenPackage, b: BrokenPackage): number {
  const [one, other] = [a, b].map(({ name, version, architecture }) => `${name} ${version} ${architecture}`)
  return (one as string) < (other as string) ? -1 : 1
}

/** Names a stanza in errors. */
const STANZA = 'a stanza of the release'

/** More stanzas than a block can have. */
const PLACES_PER_BLOCK = 2 ** 20

function placeOf(block: number, ordinal: number): number {
  return block * PLACES_PER_BLOCK + ordinal
}

function placesOf(runs: readonly Run[]): number[] {
  return runs.flatMap(({ block, first, count }) => Array.from({ length: count }, (_, i) => placeOf(block, first + i)))
}

/** Its text is of no use once its relations were read, and would stay for as long as the check. */
function withoutSource(candidate: Candidate): Candidate {
  return { ...candidate, source: null }
}
