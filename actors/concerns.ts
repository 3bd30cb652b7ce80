/** What a channel warns of that concerns a machine: a function of the warnings and of what the machine has. */
import { isAffected } from '../schemas/advisory.ts'
import type { Advisory, KnownBadSet } from '../schemas/advisory.ts'
import type { InstalledPackage } from '../schemas/installed-packages.ts'
import { withdrawnName } from '../schemas/withdrawal.ts'
import type { Withdrawals } from '../schemas/withdrawal.ts'

/** Everything that a channel warns of. */
export interface Warnings {
  readonly withdrawn: Withdrawals
  readonly advisories: readonly Advisory[]
  readonly knownBad: readonly KnownBadSet[]
}

/** One warning that is about something installed. */
export interface Concern {
  readonly kind: 'withdrawn' | 'advisory' | 'known-bad'
  /** Of the advisory or set; of a withdrawal, NAME=VERSION. */
  readonly subject: string
  /** What is installed here of what it warns of: NAME=VERSION of each. */
  readonly installed: readonly string[]
  readonly severity: string | null
  /** The first version that is not affected. */
  readonly fixed: string | null
  readonly reference: string | null
  readonly text: string | null
}

type Machine = readonly Pick<InstalledPackage, 'name' | 'version'>[]

const UNRATED = { severity: null, fixed: null, reference: null }

/** Advisories first, then what was withdrawn, then sets; each in the order in which the channel has them. */
export function concernsOf({ withdrawn, advisories, knownBad }: Warnings, machine: Machine): Concern[] {
  const installed = [...new Map(machine.map((one) => [withdrawnName(one), one])).values()]
  const has = new Set(installed.map(withdrawnName))
  return [
    ...advisories.flatMap((advisory): Concern[] => {
      const { id, severity, fixed, reference, summary } = advisory
      const affected = installed.filter(
        ({ name, version }) => name === advisory.package && isAffected(advisory, version),
      )
      if (affected.length === 0) return []
      const about = { severity, fixed, reference, text: summary }
      return [{ kind: 'advisory', subject: id, installed: affected.map(withdrawnName), ...about }]
    }),
    ...[...withdrawn].flatMap(([subject, { reason }]): Concern[] =>
      has.has(subject) ? [{ kind: 'withdrawn', subject, installed: [subject], ...UNRATED, text: reason }] : [],
    ),
    ...knownBad.flatMap(({ set, note, members }): Concern[] => {
      const all = Object.entries(members).map(([name, version]) => withdrawnName({ name, version }))
      const isHere = all.every((one) => has.has(one))
      return isHere ? [{ kind: 'known-bad', subject: set, installed: all, ...UNRATED, text: note }] : []
    }),
  ]
}
