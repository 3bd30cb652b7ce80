/** What plans leave out although releases hold it: versions that were withdrawn, and sets of versions that are known to be bad. */
import type { BadSet } from '../actors/solver/bad-sets.ts'
import { isWithin } from '../actors/solver/bad-sets.ts'
import type { Candidate } from '../actors/solver/candidate.ts'
import type { Universe } from '../actors/solver/universe.ts'
import { FreshetError } from '../schemas/errors.ts'
import { withdrawnName } from '../schemas/withdrawal.ts'
import type { PackageName } from './arguments.ts'
import type { KnownBadSet } from '../schemas/advisory.ts'
import type { WithdrawnVersion } from './advisories.ts'
import type { PinnedOut } from './plan-notes.ts'

export interface Avoided {
  readonly withdrawn: readonly WithdrawnVersion[]
  readonly knownBad: readonly KnownBadSet[]
}

export const NOTHING_AVOIDED: Avoided = { withdrawn: [], knownBad: [] }

/** Withdrawn versions among the candidates, each with the words that say so. */
export function withdrawnOut(candidates: readonly Candidate[], { withdrawn }: Avoided): PinnedOut[] {
  const known = new Map(withdrawn.map((one) => [withdrawnName(one), one]))
  if (known.size === 0) return []
  const out = new Map<string, Candidate[]>()
  for (const candidate of candidates) {
    const key = withdrawnName(candidate)
    if (known.has(key)) out.set(key, [...(out.get(key) ?? []), candidate])
  }
  return [...out].map(([key, versions]) => {
    const { name, reason } = known.get(key) as WithdrawnVersion
    return { name, versions, text: withdrawnText(key, reason) }
  })
}

/** @throws FreshetError PACKAGE_WITHDRAWN where a version is asked for that was withdrawn. */
export function requireNotWithdrawn(wishes: readonly PackageName[], { withdrawn }: Avoided): void {
  for (const { name, version } of wishes) {
    const lost = withdrawn.find((one) => one.name === name && one.version === version)
    if (lost !== undefined) {
      throw new FreshetError('PACKAGE_WITHDRAWN', withdrawnText(withdrawnName(lost), lost.reason), { name, version })
    }
  }
}

/** Sets that could come to be: what the machine has already is no reason against something else. */
export function badSetsOf(universe: Universe, installed: readonly number[], { knownBad }: Avoided): BadSet[] {
  const present = new Set(installed)
  return knownBad.flatMap(({ set, note, members }): BadSet[] => {
    const ids = Object.entries(members).map(([name, version]) =>
      universe.named(name).filter((id) => universe.candidate(id).version === version),
    )
    const listed = Object.entries(members).map(([name, version]) => `${name}=${version}`)
    const what = `${listed.join(' and ')} ${listed.length > 1 ? 'are' : 'is'} known to be bad`
    const bad = { text: `${what} (${set})${note === null ? '' : `: ${note}`}`, members: ids }
    return ids.length === 0 || ids.some((each) => each.length === 0) || isWithin(bad, present) ? [] : [bad]
  })
}

function withdrawnText(what: string, reason: string): string {
  return `${what} was withdrawn: ${reason.replaceAll('\n', ' ')}; --allow-withdrawn or @WHEN takes it all the same`
}
