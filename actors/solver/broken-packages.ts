/**
 * What became of the packages that cannot be installed, from one release to the next.
 *
 * A package that went up and still cannot be installed has not become so. Where a release has several versions of a package, each
 * is looked at by itself, unless none of them could be installed before.
 */
import type { Candidate } from './candidate.ts'
import type { PackageCheck } from './package-check.ts'

export interface BrokenPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Whether no version of it can be installed. */
  readonly whole: boolean
}

export interface BrokenDifference {
  /** Numbers of the packages that became uninstallable, ascending. */
  readonly became: readonly number[]
  readonly mended: readonly BrokenPackage[]
}

/** In the order of their numbers, which `check.broken` has. */
export function brokenPackages({ universe, broken }: PackageCheck): BrokenPackage[] {
  const known = new Set(broken)
  return broken.map((id) => {
    const { name, version, architecture } = universe.candidate(id)
    const versions = universe.named(name).filter((other) => universe.candidate(other).architecture === architecture)
    return { name, version, architecture, whole: versions.every((other) => known.has(other)) }
  })
}

/** @param before what could not be installed from the release before. */
export function differenceOfBroken(before: readonly BrokenPackage[], check: PackageCheck): BrokenDifference {
  const { universe, broken } = check
  const old = new BrokenNames(before)
  const now = new BrokenNames(brokenPackages(check))
  const isHere = ({ name, architecture }: BrokenPackage): boolean =>
    universe.named(name).some((id) => universe.candidate(id).architecture === architecture)
  return {
    became: broken.filter((id) => !old.has(universe.candidate(id))),
    mended: before.filter((one) => isHere(one) && !now.has(one)),
  }
}

class BrokenNames {
  readonly #versions = new Set<string>()
  /** Packages of which no version can be installed. */
  readonly #whole = new Set<string>()

  constructor(packages: readonly BrokenPackage[]) {
    for (const { name, version, architecture, whole } of packages) {
      this.#versions.add(`${name} ${architecture} ${version}`)
      if (whole) this.#whole.add(`${name} ${architecture}`)
    }
  }

  has({ name, version, architecture }: Pick<Candidate, 'name' | 'version' | 'architecture'>): boolean {
    return this.#versions.has(`${name} ${architecture} ${version}`) || this.#whole.has(`${name} ${architecture}`)
  }
}
