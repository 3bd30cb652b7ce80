/** From packages that can be had, a machine and wishes to the exact list of packages to install and to remove. */
import { isWithin } from '../actors/solver/bad-sets.ts'
import type { BadSet } from '../actors/solver/bad-sets.ts'
import { faultsOfSet } from '../actors/solver/check-plan.ts'
import { stanzaOf } from '../actors/solver/candidate.ts'
import type { Candidate } from '../actors/solver/candidate.ts'
import { explanationLines } from '../actors/solver/explain.ts'
import { planPackages } from '../actors/solver/plan-packages.ts'
import type { FoundPlan, PlanRequest } from '../actors/solver/plan-packages.ts'
import { installedCandidate } from '../actors/solver/read-candidates.ts'
import { withRecommended } from '../actors/solver/recommended.ts'
import type { Rule } from '../actors/solver/rules.ts'
import { Universe } from '../actors/solver/universe.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { InstalledPackage } from '../schemas/installed-packages.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import { RelationParser } from '../schemas/relation.ts'
import { readStatusFile } from '../store/installed-packages.ts'
import { packageText } from './arguments.ts'
import type { PackageName } from './arguments.ts'
import { badSetsOf, NOTHING_AVOIDED, requireNotWithdrawn, withdrawnOut } from './avoided.ts'
import type { Avoided } from './avoided.ts'
import { machineArchitecture } from './import/machine-architecture.ts'
import type { SnapshotFiles } from './operations.ts'
import { pinnedOut, planNotes } from './plan-notes.ts'
import type { PinnedOut, Pins } from './plan-notes.ts'
import { readSnapshot } from './snapshot-packages.ts'

export interface PlanWishes {
  readonly wishes: readonly PackageName[]
  /** dpkg's status file; null: a machine that has nothing. */
  readonly statusPath: string | null
  /** Null: this machine's. */
  readonly architecture: string | null
  readonly upgrade: boolean
  readonly allowRemove: boolean
  /** What new packages recommend comes along where it fits. */
  readonly recommends: boolean
  /** Pins of the channel count. */
  readonly pins: boolean
  /** What is left out of it. Default: where no release is named, what the channel warns of by now. */
  readonly avoid?: Avoided
}

interface PlannedPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export interface PlanResult {
  readonly channel: string
  /** The newest of `releases`. */
  readonly release: number
  /** Releases that the packages come from, the newest first. */
  readonly releases: readonly number[]
  /** First and last of the releases that were searched; null: none was but the one that was named. */
  readonly searched: readonly [first: number, last: number] | null
  readonly architecture: string
  readonly ok: boolean
  /** `from`: the version that is installed now, or null. `release`: the newest of `releases` that has it. */
  readonly install: readonly (PlannedPackage & { size: number; sha256: string; from: string | null; release: number })[]
  readonly remove: readonly PlannedPackage[]
  /** Of the files to install. */
  readonly bytes: number
  /** Steps that show why there is no plan; null where there is one. */
  readonly reason: readonly string[] | null
  /** What pins and holds did to it. */
  readonly notes: readonly string[]
}

/** A machine as its status file has it, before it is known what could be installed. */
export interface MachineState {
  readonly architecture: string
  /** Its own first, then all that it has packages of or is asked for. */
  readonly architectures: readonly string[]
  readonly packages: readonly InstalledPackage[]
  readonly parser: RelationParser
}

/** What a machine is, and what it could become. */
export interface Machine {
  readonly state: MachineState
  readonly universe: Universe
  readonly installed: readonly number[]
  readonly held: ReadonlySet<number>
  /** Versions that pins leave out, and that were withdrawn. */
  readonly pinnedOut: readonly PinnedOut[]
  readonly badSets: readonly BadSet[]
}

/** Where packages can be had from. */
export interface PlanSource {
  readonly channel: string
  /** The newest first. */
  readonly releases: readonly number[]
  readonly searched: ReleaseRange | null
  /** The newest of `releases` that has it. */
  readonly releaseOf: (id: number) => number
}

/** @throws FreshetError STATUS_INVALID. */
export async function readMachineState({ statusPath, wishes, ...wanted }: PlanWishes): Promise<MachineState> {
  const architecture = wanted.architecture ?? (await machineArchitecture())
  const parser = new RelationParser()
  const packages = statusPath === null ? [] : await readStatusFile(statusPath, parser)
  const named = [...packages, ...wishes].map((one) => one.architecture ?? architecture)
  const architectures = [...new Set([architecture, ...named])].filter((name) => name !== 'all')
  return { architecture, architectures, packages, parser }
}

/** @throws FreshetError STATUS_INVALID, INDEX_MISSING, and what reading an index throws. */
export async function readMachine(files: SnapshotFiles, wanted: PlanWishes): Promise<Machine> {
  const state = await readMachineState(wanted)
  const candidates = await readSnapshot(files, state.architectures, state.parser)
  return machineWith(state, candidates, wanted.pins ? files.pins : {}, wanted)
}

/** @param candidates what could be installed, by their numbers from then on where no two are alike. */
export function machineWith(
  state: MachineState,
  candidates: readonly Candidate[],
  pins: Pins,
  { wishes, avoid = NOTHING_AVOIDED }: Pick<PlanWishes, 'wishes' | 'avoid'>,
): Machine {
  const { architecture, packages } = state
  requireNotWithdrawn(wishes, avoid)
  const out = [...pinnedOut(candidates, pins, wishes), ...withdrawnOut(candidates, avoid)]
  const ruledOut = new Set(out.flatMap(({ versions }) => versions))
  const universe = new Universe(
    architecture,
    ruledOut.size === 0 ? candidates : candidates.filter((one) => !ruledOut.has(one)),
  )
  const { came: installed } = universe.change([], packages.map(installedCandidate))
  const held = new Set(installed.filter((_, i) => packages[i]?.held === true))
  return { state, universe, installed, held, pinnedOut: out, badSets: badSetsOf(universe, installed, avoid) }
}

/** @throws FreshetError PACKAGE_UNKNOWN, SOLVER_GAVE_UP. */
export async function planFor(machine: Machine, files: SnapshotFiles, wanted: PlanWishes): Promise<PlanResult> {
  const { channel, release } = files
  return planFrom(machine, { channel, releases: [release], searched: null, releaseOf: () => release }, wanted)
}

/** @throws FreshetError PACKAGE_UNKNOWN, SOLVER_GAVE_UP. */
export async function planFrom(machine: Machine, source: PlanSource, wanted: PlanWishes): Promise<PlanResult> {
  const { universe, state } = machine
  const request = requestOf(machine, source, wanted)
  const plan = await planPackages(universe, request)
  if (!plan.ok) return refused(source, machine, await reasonOf(machine, request, plan.contradiction))
  const grown = wanted.recommends ? withRecommended(universe, request, plan, state.parser) : plan
  const found = machine.badSets.some((set) => isWithin(set, grown.final)) ? plan : grown
  requireSound(found, machine)
  const install = found.install.map((id) => ({
    ...installedFrom(universe, machine.installed, universe.candidate(id)),
    release: source.releaseOf(id),
  }))
  return {
    ...head(source, machine),
    ok: true,
    install,
    remove: found.remove.map((id) => nameOf(universe.candidate(id))),
    bytes: install.reduce((sum, { size }) => sum + size, 0),
    reason: null,
    notes: planNotes(machine, found.final, wanted),
  }
}

/** Where nothing that packages say stands against it, sets do that are known to be bad: those that it would have without them. */
async function reasonOf(
  { universe, badSets }: Machine,
  request: PlanRequest,
  contradiction: readonly Rule[],
): Promise<string[]> {
  if (contradiction.length > 0) return explanationLines(universe, contradiction)
  const free = await planPackages(universe, { ...request, badSets: [] })
  const met = badSets.filter((set) => free.ok && isWithin(set, free.final))
  return met.map(({ text }) => `${text}; --allow-withdrawn or @WHEN takes it all the same`)
}

export function refused(source: PlanSource, machine: Machine, reason: readonly string[]): PlanResult {
  const about = machine.pinnedOut.filter(({ name }) =>
    reason.some((step) => step.includes(`${name}:`) || step.includes(`${name} `)),
  )
  const pinned = about.map(({ text }) => text)
  return {
    ...head(source, machine),
    ok: false,
    install: [],
    remove: [],
    bytes: 0,
    reason: [...reason, ...pinned],
    notes: [],
  }
}

function head({ channel, releases, searched }: PlanSource, { state }: Machine) {
  return {
    channel,
    release: releases[0] ?? 0,
    releases,
    searched: searched === null ? null : ([searched.first, searched.last] as const),
    architecture: state.architecture,
  }
}

/** @throws FreshetError PACKAGE_UNKNOWN. */
export function requestOf(
  { universe, installed, held, badSets }: Machine,
  source: PlanSource,
  wanted: PlanWishes,
): PlanRequest {
  const { upgrade, allowRemove } = wanted
  const wishes = wanted.wishes.map((wish) => fitting(universe, wish, source))
  return { installed, held, wishes, upgrade, allowRemove, badSets }
}

/** Packages that a wish could mean, those of the machine's own architecture first: of that name, or else that provide it. */
function fitting(universe: Universe, wish: PackageName, { channel, releases, searched }: PlanSource): number[] {
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
  const where = searched === null ? `${channel} #${releases[0]}` : `${channel} #${searched.first} to #${searched.last}`
  const message = `no ${packageText(wish)} in ${where}${known === '' ? '' : `, which has ${known}`}`
  throw new FreshetError('PACKAGE_UNKNOWN', message, { name, version, architecture })
}

/** The last word has not the solver, but what the packages say. */
function requireSound({ final }: FoundPlan, { universe, state }: Machine): void {
  const [fault] = faultsOfSet(
    [...final].map((id) => universe.candidate(id)),
    state.architecture,
  )
  if (fault !== undefined) throw new FreshetError('INTERNAL', `a plan that does not hold: ${fault}`)
}

function installedFrom(universe: Universe, installed: readonly number[], candidate: Candidate) {
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
