/**
 * Plans over history: packages of named versions, from the newest release in which they work together with all that they need, or
 * else from the smallest mixture of releases (actors/solver/find-mixture.ts).
 *
 * The look-up index says in which releases each named version was. Mostly the newest that had all of them will do, and the search
 * over all stanzas that there ever were is not needed.
 */
import { readFile } from 'node:fs/promises'
import { datedPackages, isHeld } from '../actors/solver/dated-packages.ts'
import type { DatedPackage } from '../actors/solver/dated-packages.ts'
import { explanationLines } from '../actors/solver/explain.ts'
import { findMixture } from '../actors/solver/find-mixture.ts'
import { readCandidates } from '../actors/solver/read-candidates.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import { MIXTURE_RELEASES_MAX } from '../schemas/limits.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import { withdrawnName } from '../schemas/withdrawal.ts'
import { asIoError } from '../store/durable.ts'
import { packageText } from './arguments.ts'
import { NOTHING_AVOIDED, requireNotWithdrawn } from './avoided.ts'
import type { HistoryFiles, VersionsResult, WhenResult } from './history-operations.ts'
import type { SnapshotFiles } from './operations.ts'
import { machineWith, planFor, planFrom, readMachine, readMachineState, refused, requestOf } from './plan-packages.ts'
import type { MachineState, PlanResult, PlanWishes } from './plan-packages.ts'
import type { Call } from './run-operation.ts'

/** Whether a plan is searched for in history: somebody names a version, and no release. */
export function isOldSet(when: string | null, { wishes, upgrade }: PlanWishes): boolean {
  return when === null && !upgrade && wishes.some(({ version }) => version !== null)
}

/** @throws FreshetError PACKAGE_UNKNOWN, SOLVER_GAVE_UP, STATUS_INVALID, INDEX_MISSING, NO_PEERS. */
export async function planOldSet(call: Call, channel: string, asked: PlanWishes): Promise<PlanResult> {
  const wanted = { ...asked, pins: false } // pins are about now
  const versioned = wanted.wishes.filter(({ version }) => version !== null).map(packageText)
  requireNotWithdrawn(wanted.wishes, wanted.avoid ?? NOTHING_AVOIDED)
  const { ranges, newest } = (await call('when', { channel, packages: versioned })) as WhenResult
  const last = ranges.at(-1)?.[1]
  const simple = last === undefined ? null : await planAt(call, channel, last, wanted)
  if (simple?.ok === true) return { ...simple, searched: [last ?? 0, newest] }
  const found = await planFromHistory(call, channel, wanted)
  if (found.ok) await requireHeld(call, found)
  return found
}

/** @returns null where the release has nothing that a wish could mean. */
async function planAt(call: Call, channel: string, release: number, wanted: PlanWishes): Promise<PlanResult | null> {
  const files = (await call('snapshot.files', { channel, when: String(release) })) as SnapshotFiles
  try {
    return await planFor(await readMachine(files, wanted), files, wanted)
  } catch (error) {
    if (['PACKAGE_UNKNOWN', 'INDEX_MISSING'].includes(asFreshetError(error).code)) return null
    throw error
  }
}

async function planFromHistory(call: Call, channel: string, wanted: PlanWishes): Promise<PlanResult> {
  const state = await readMachineState(wanted)
  const { architectures } = state
  const files = (await call('history.files', { channel, architectures })) as HistoryFiles
  const all = await readDated(files, state)
  const withdrawn = new Set((wanted.avoid?.withdrawn ?? []).map(withdrawnName))
  const dated = all.filter(({ candidate }) => !withdrawn.has(withdrawnName(candidate)))
  const range = { first: files.first, last: files.newest }
  const everything = machineWith(
    state,
    dated.map(({ candidate }) => candidate),
    {},
    wanted,
  )
  const source = { channel: files.channel, releases: [files.newest], searched: range, releaseOf: () => files.newest }
  const { universe } = everything
  const mixture = await findMixture(
    { universe, spans: dated.map(({ spans }) => spans), range },
    requestOf(everything, source, wanted),
  )
  if (mixture.ok)
    return planMixture(state, dated, { channel: files.channel, releases: mixture.releases, range }, wanted)
  const { contradiction } = mixture
  if (contradiction !== null) return refused(source, everything, explanationLines(universe, contradiction))
  return refused(source, everything, [`they go together, but not from ${MIXTURE_RELEASES_MAX} releases or fewer`])
}

async function readDated({ filePath, spans }: HistoryFiles, { parser }: MachineState): Promise<DatedPackage[]> {
  const bytes = await readFile(filePath).catch((error: unknown) => Promise.reject(asIoError(error, filePath)))
  const ranges = spans.map((numbers) => {
    return numbers.flatMap((first, i) => (i % 2 === 0 ? [{ first, last: numbers[i + 1] ?? first }] : []))
  })
  return datedPackages(readCandidates(bytes, filePath, parser), ranges)
}

/** A plan from the packages of these releases alone, with the preferences of every plan: newest versions, fewest changes. */
async function planMixture(
  state: MachineState,
  dated: readonly DatedPackage[],
  { channel, releases, range }: { channel: string; releases: readonly number[]; range: ReleaseRange },
  wanted: PlanWishes,
): Promise<PlanResult> {
  const newestOf = ({ spans }: DatedPackage): number => releases.find((number) => isHeld(spans, number)) ?? 0
  const available = dated.filter((one) => newestOf(one) > 0)
  const machine = machineWith(
    state,
    available.map(({ candidate }) => candidate),
    {},
    wanted,
  )
  const releaseOf = (id: number): number => newestOf(available[id] as DatedPackage)
  return planFrom(machine, { channel, releases, searched: range, releaseOf }, wanted)
}

/** Asks the look-up index, which the search has not used, whether each package was in the release that the plan says. */
async function requireHeld(call: Call, { channel, install }: PlanResult): Promise<void> {
  for (const planned of install) {
    const text = packageText(planned)
    const { versions } = (await call('versions', { channel, package: text })) as VersionsResult
    const isThere = versions.some(({ ranges }) =>
      ranges.some(([first, last]) => first <= planned.release && planned.release <= last),
    )
    if (!isThere)
      throw new FreshetError('INDEX_INVALID', `the index does not say that #${planned.release} held ${text}`)
  }
}
