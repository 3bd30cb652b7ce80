/**
 * Which packages that a machine has do not go with a version that it would upgrade to: by what either of them says, as the solver
 * reads it (Conflicts, Breaks). What the same release upgrades as well counts as upgraded.
 */
import { compareVersions } from '../schemas/debian-version.ts'
import type { InstalledPackage } from '../schemas/installed-packages.ts'
import { NOTIFIED_CONFLICTS_MAX } from '../schemas/limits.ts'
import type { ChangeFacts } from './package-filter.ts'
import type { Candidate } from './solver/candidate.ts'
import { installedCandidate } from './solver/read-candidates.ts'
import { Universe } from './solver/universe.ts'

/**
 * @param versions of what is installed, by `NAME ARCHITECTURE`.
 * @returns the same of a package that would be upgraded → names of those that do not go with it, sorted.
 */
export function upgradeConflicts(
  changes: readonly ChangeFacts[],
  installed: readonly InstalledPackage[],
  versions: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly string[]> {
  const upgrades = new Map<string, Candidate>()
  for (const { name, architecture, to, relations } of changes) {
    const before = versions.get(keyOf({ name, architecture }))
    if (before === undefined || to === null || relations === null || compareVersions(before, to) >= 0) continue
    const candidate = { name, architecture, version: to, relations, edition: 0, source: null, ordinal: 0 }
    upgrades.set(keyOf(candidate), candidate)
  }
  const found = new Map<string, readonly string[]>()
  if (upgrades.size === 0) return found
  const machine = installed.map((one) => upgrades.get(keyOf(one)) ?? installedCandidate(one))
  const universe = new Universe(nativeOf(installed), machine)
  for (const [key, candidate] of upgrades) {
    const id = universe.find(candidate)
    const names = (id === null ? [] : universe.conflicting(id)).map((other) => universe.candidate(other).name)
    const others = [...new Set(names)].filter((name) => name !== candidate.name) // its twins are upgraded one by one
    if (others.length > 0) found.set(key, others.toSorted().slice(0, NOTIFIED_CONFLICTS_MAX))
  }
  return found
}

function keyOf({ name, architecture }: { readonly name: string; readonly architecture: string }): string {
  return `${name} ${architecture}`
}

/** A machine's own architecture is that of its dpkg; one without counts as what most of its packages are. */
function nativeOf(installed: readonly InstalledPackage[]): string {
  const counts = new Map<string, number>()
  for (const { name, architecture } of installed) {
    if (name === 'dpkg') return architecture
    if (architecture !== 'all') counts.set(architecture, (counts.get(architecture) ?? 0) + 1)
  }
  const [most = ['all', 0]] = [...counts].toSorted(([, a], [, b]) => b - a)
  return most[0]
}
