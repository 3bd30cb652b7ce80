/** From a release, a machine and wishes to the exact list of packages to install and to remove. */
import { faultsOfSet } from '../actors/solver/check-plan.ts'
import { stanzaOf } from '../actors/solver/candidate.ts'
import type { Candidate } from '../actors/solver/candidate.ts'
import { explanationLines } from '../actors/solver/explain.ts'
import { planPackages } from '../actors/solver/plan-packages.ts'
import type { PackagePlan } from '../actors/solver/plan-packages.ts'
import { installedCandidate } from '../actors/solver/read-candidates.ts'
import { Universe } from '../actors/solver/universe.ts'
import { FreshetError } from '../schemas/errors.ts'
import { RelationParser } from '../schemas/relation.ts'
import { readStatusFile } from '../store/installed-packages.ts'
import type { PackageName } from './arguments.ts'
import { machineArchitecture } from './import/machine-architecture.ts'
import type { SnapshotFiles } from './operations.ts'
import { readSnapshot } from './snapshot-packages.ts'

export interface PlanWishes {
  readonly wishes: readonly PackageName[]
  /** dpkg's status file; null: a machine that has nothing. */
  readonly statusPath: string | null
  /** Null: this machine's. */
  readonly architecture: string | null
  readonly upgrade: boolean
  readonly allowRemove: boolean
}

interface PlannedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export interface PlanResult {
  readonly channel: string
  readonly release: number
  readonly architecture: string
  readonly ok: boolean
  /** `from`: the version that is installed now, or null. */
  readonly install: readonly (PlannedPackage & { size: number; sha256: string; from: string | null })[]
  readonly remove: readonly PlannedPackage[]
  /** Of the files to install. */
  readonly bytes: number
  /** Steps that show why there is no plan; null where there is one. */
  readonly reason: readonly string[] | null
}

/** What a machine is, and what it could become. */
export interface Machine {
  readonly architecture: string
  readonly universe: Universe
  readonly installed: readonly number[]
  readonly held: ReadonlySet<number>
}

/** @throws FreshetError STATUS_INVALID, INDEX_MISSING, and what reading an index throws. */
export async function readMachine(files: SnapshotFiles, wanted: PlanWishes): Promise<Machine> {
  const { statusPath, wishes } = wanted
  const architecture = wanted.architecture ?? (await machineArchitecture())
  const parser = new RelationParser()
  const packages = statusPath === null ? [] : await readStatusFile(statusPath, parser)
  const foreign = [...packages, ...wishes].map((one) => one.architecture ?? architecture)
  const architectures = [...new Set([architecture, ...foreign])].filter((name) => name !== 'all')
  const universe = new Universe(architecture, await readSnapshot(files, architectures, parser))
  const { came: installed } = universe.change([], packages.map(installedCandidate))
  const held = new Set(installed.filter((_, i) => packages[i]?.held === true))
  return { architecture, universe, installed, held }
}

/** @throws FreshetError PACKAGE_UNKNOWN, SOLVER_GAVE_UP. */
export async function planFor(machine: Machine, files: SnapshotFiles, wanted: PlanWishes): Promise<PlanResult> {
  const { universe, installed, held, architecture } = machine
  const { upgrade, allowRemove } = wanted
  const wishes = wanted.wishes.map((wish) => fitting(universe, wish, files))
  const plan = await planPackages(universe, { installed, held, wishes, upgrade, allowRemove })
  const result = { channel: files.channel, release: files.release, architecture, ok: plan.ok }
  if (!plan.ok) {
    return { ...result, install: [], remove: [], bytes: 0, reason: explanationLines(universe, plan.contradiction) }
  }
  requireSound(plan, machine)
  const install = plan.install.map((id) => installedFrom(universe, installed, universe.candidate(id)))
  const remove = plan.remove.map((id) => nameOf(universe.candidate(id)))
  return { ...result, install, remove, bytes: install.reduce((sum, { size }) => sum + size, 0), reason: null }
}

/** Packages that a wish could mean, those of the machine's own architecture first: of that name, or else that provide it. */
function fitting(universe: Universe, wish: PackageName, { channel, release }: SnapshotFiles): number[] {
  const { name, version, architecture } = wish
  const fits = (id: number): boolean => {
    const { version: held, architecture: own } = universe.candidate(id)
    return (version === null || held === version) && (architecture === null || own === architecture || own === 'all')
  }
  const isNative = (id: number): boolean => [universe.architecture, 'all'].includes(universe.candidate(id).architecture)
  const own = universe.named(name)
  const found = (own.length > 0 ? own : universe.providing(name)).filter(fits)
  const native = found.filter(isNative)
  if (native.length > 0) return native
  if (found.length > 0) return found
  const known = own.map((id) => `${universe.candidate(id).version} (${universe.candidate(id).architecture})`).join(', ')
  const what = `${name}${architecture === null ? '' : `:${architecture}`}${version === null ? '' : `=${version}`}`
  const message = `no ${what} in ${channel} #${release}${known === '' ? '' : `, which has ${known}`}`
  throw new FreshetError('PACKAGE_UNKNOWN', message, { name, version, architecture })
}

/** The last word has not the solver, but what the packages say. */
function requireSound(plan: PackagePlan & { readonly ok: true }, { universe, architecture }: Machine): void {
  const [fault] = faultsOfSet(
    [...plan.final].map((id) => universe.candidate(id)),
    architecture,
  )
  if (fault !== undefined) throw new FreshetError('INTERNAL', `a plan that does not hold: ${fault}`)
}

function installedFrom(
  universe: Universe,
  installed: readonly number[],
  candidate: Candidate,
): PlanResult['install'][0] {
  const stanza = stanzaOf(candidate)
  if (stanza === null) throw new FreshetError('INTERNAL', `a plan with ${candidate.name}, which nobody has`)
  const before = installed.map((id) => universe.candidate(id)).find((own) => isSamePackage(own, candidate))
  return { ...nameOf(candidate), size: stanza.byteLength, sha256: stanza.digest, from: before?.version ?? null }
}

function isSamePackage(a: Candidate, b: Candidate): boolean {
  return a.name === b.name && (a.architecture === b.architecture || [a.architecture, b.architecture].includes('all'))
}

function nameOf({ name, version, architecture }: Candidate): PlannedPackage {
  return { name, version, architecture }
}
