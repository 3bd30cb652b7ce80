/**
 * What a stanza says of how much its package matters: Section, Priority, Urgency (Debian Policy 2.4, 2.5, 5.6.17).
 *
 * Nothing depends on it but who is told, so a field that is malformed counts as one that is not there.
 */
import { SECTION_BYTES_MAX } from './limits.ts'
import { parseFields } from './stanza.ts'
import { PRIORITIES, URGENCIES } from './subscription.ts'
import type { Priority, Urgency } from './subscription.ts'

export interface PackageRank {
  /** With its area where that is not main: `contrib/admin`. Empty: not said. */
  readonly section: string
  readonly priority: Priority
  /** Null: not said. Debian's Packages files do not; other repositories may. */
  readonly urgency: Urgency | null
}

const SECTION = /^[A-Za-z0-9.+/-]+$/

/** @throws FreshetError STANZA_*. */
export function readPackageRank(stanza: Buffer): PackageRank {
  const values = new Map([...parseFields(stanza)].map(([name, value]) => [name.toLowerCase(), value]))
  const section = values.get('section') ?? ''
  const priority = PRIORITIES.find((word) => word === values.get('priority'))
  // `high (security)` is allowed: words behind the first are remarks.
  const urgency = URGENCIES.find((word) => word === values.get('urgency')?.toLowerCase().split(/\s/)[0])
  return {
    section: section.length <= SECTION_BYTES_MAX && SECTION.test(section) ? section : '',
    priority: priority ?? 'unknown',
    urgency: urgency ?? null,
  }
}
