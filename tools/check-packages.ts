/** Which packages of a release cannot be installed, for each of its architectures by itself, and why. */
import { explanationLines } from '../actors/solver/explain.ts'
import { PackageCheck } from '../actors/solver/package-check.ts'
import { Universe } from '../actors/solver/universe.ts'
import { RelationParser } from '../schemas/relation.ts'
import type { SnapshotFiles } from './operations.ts'
import { architecturesOf, readSnapshot } from './snapshot-packages.ts'

export interface BrokenPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Of the machine that it cannot be installed on. */
  readonly on: string
  /** Steps that show why, the first about the package itself. */
  readonly reason: readonly string[]
}

export interface CheckResult {
  readonly channel: string
  readonly release: number
  readonly suite: string
  readonly ok: boolean
  readonly architectures: readonly string[]
  /** Looked at, over all architectures: one of Architecture: all counts for each. */
  readonly packages: number
  readonly broken: readonly BrokenPackage[]
}

export async function checkPackages(files: SnapshotFiles): Promise<CheckResult> {
  const architectures = await architecturesOf(files)
  const broken: BrokenPackage[] = []
  let packages = 0
  for (const architecture of architectures) {
    const universe = new Universe(architecture, await readSnapshot(files, [architecture], new RelationParser()))
    const check = await PackageCheck.run(universe)
    packages += universe.size
    for (const id of check.broken) {
      const { name, version, architecture: own } = universe.candidate(id)
      const reason = explanationLines(universe, await check.reason(id))
      broken.push({ name, version, architecture: own, on: architecture, reason })
    }
  }
  const { channel, release, suite } = files
  return { channel, release, suite, ok: broken.length === 0, architectures, packages, broken }
}
