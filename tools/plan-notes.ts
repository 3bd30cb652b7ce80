/** What pins of a channel and holds of a machine do to a plan, and how that is told. */
import { compareVersions } from '../schemas/debian-version.ts'
import type { Candidate } from '../actors/solver/candidate.ts'
import type { PackageName } from './arguments.ts'
import type { Machine, PlanWishes } from './plan-packages.ts'

/** Name → the version to stay at, as the maintainers of the channel say. */
export type Pins = Readonly<Record<string, string>>

/** Versions of a package that a pin leaves out of plans. */
export interface PinnedOut {
  readonly name: string
  readonly versions: readonly Candidate[]
  readonly text: string
}

/** A version that somebody asks for by its number is not left out. */
export function pinnedOut(candidates: readonly Candidate[], pins: Pins, wishes: readonly PackageName[]): PinnedOut[] {
  const out = new Map<string, Candidate[]>()
  const isWished = (one: Candidate): boolean =>
    wishes.some(({ name, version }) => name === one.name && version === one.version)
  for (const one of candidates) {
    if (!Object.hasOwn(pins, one.name) || one.version === pins[one.name] || isWished(one)) continue
    out.set(one.name, [...(out.get(one.name) ?? []), one])
  }
  return [...out].map(([name, versions]) => {
    const others = [...new Set(versions.map(({ version }) => version))].join(', ')
    return {
      name,
      versions,
      text: `${name} is pinned at ${pins[name]}: ${others} ${versions.length > 1 ? 'are' : 'is'} left out`,
    }
  })
}

/** Of those that shaped the plan: a version that it would have had. @param final what the machine will have. */
export function planNotes(
  machine: Machine,
  final: ReadonlySet<number>,
  { upgrade }: Pick<PlanWishes, 'upgrade'>,
): string[] {
  const { universe, installed, held } = machine
  const chosen = new Map([...final].map((id) => [universe.candidate(id).name, universe.candidate(id)] as const))
  const pinned = machine.pinnedOut.filter(({ name, versions }) => {
    const own = chosen.get(name)
    return own !== undefined && versions.some(({ version }) => compareVersions(version, own.version) > 0)
  })
  const stays = installed.filter((id) => {
    const { name, version } = universe.candidate(id)
    const [newest = id] = universe.named(name)
    return upgrade && held.has(id) && compareVersions(universe.candidate(newest).version, version) > 0
  })
  return [
    ...pinned.map(({ text }) => text),
    ...stays.map(
      (id) =>
        `${universe.candidate(id).name} is held at ${universe.candidate(id).version}: somebody asked dpkg to leave it`,
    ),
  ]
}
