/**
 * Which changes of a release a subscription lets pass, and why each matters to this machine: a function of the release, the
 * subscription and what the machine has.
 *
 * "Security" is what the archive says it is: suites like `bookworm-security` or `bullseye/updates`, or a Label of that kind. The
 * urgency of an upload stands in no Packages file of Debian; where a stanza does not say, it is high in a security archive and
 * medium elsewhere, as dch has it.
 */
import { compareVersions } from '../schemas/debian-version.ts'
import type { NotifiedChange, NotifiedRelease } from '../schemas/notified-release.ts'
import { NOTIFIED_CHANGES_MAX } from '../schemas/limits.ts'
import type { ChangeKind } from '../schemas/package-difference.ts'
import { matchesGlob } from '../schemas/package-glob.ts'
import type { PackageRelations } from '../schemas/package-relations.ts'
import type { PackageRank } from '../schemas/package-rank.ts'
import { URGENCIES } from '../schemas/subscription.ts'
import type { Subscription } from '../schemas/subscription.ts'

/** What is known of one change before anybody has asked about it. */
export interface ChangeFacts {
  readonly kind: ChangeKind
  readonly name: string
  readonly architecture: string
  readonly from: string | null
  readonly to: string | null
  readonly byteLength: number
  readonly rank: PackageRank
  /** Of the package that came; null: it is gone. */
  readonly relations: PackageRelations | null
}

export interface FilterView {
  readonly subscription: Subscription
  /** `NAME ARCHITECTURE` → version; null: it is not known what this machine has. */
  readonly installed: ReadonlyMap<string, string> | null
  /** `NAME ARCHITECTURE` → packages of this machine that do not go with the version that came. */
  readonly conflicts: ReadonlyMap<string, readonly string[]>
  readonly isSecurity: boolean
}

/** What a notification says of the changes between two releases. */
export type Told = Pick<NotifiedRelease, 'counts' | 'why' | 'bytes' | 'upgradeBytes' | 'leftOut' | 'changes'>

export function isSecurityArchive(suite: string, label: string): boolean {
  return /(^|[-/])security($|[-/])|\/updates$/.test(suite) || /(^|[-_ ])security($|[-_ ])/i.test(label)
}

/** @param changes null: too many to compare. Then nothing can be held back, and nothing counted. */
export function tellChanges(changes: readonly ChangeFacts[] | null, view: FilterView): Told {
  const told = (changes ?? []).map((change) => judged(change, view)).filter((change) => passes(change, view))
  const counts = { added: 0, removed: 0, upgraded: 0, downgraded: 0, changed: 0 }
  for (const { kind } of told) counts[kind]++
  const upgrades = told.filter(({ upgrade }) => upgrade)
  return {
    counts,
    why: {
      upgrade: upgrades.length,
      security: told.filter(({ security }) => security).length,
      new: counts.added,
      conflicts: told.filter(({ conflicts }) => conflicts.length > 0).length,
    },
    bytes: sizeOf(told),
    upgradeBytes: sizeOf(upgrades),
    leftOut: (changes?.length ?? 0) - told.length,
    changes: changes === null || told.length > NOTIFIED_CHANGES_MAX ? null : told,
  }
}

/** Whether somebody who asked for `told` wants to hear of it at all. */
export function isWorthTelling({ leftOut, changes }: Told): boolean {
  return changes === null || changes.length > 0 || leftOut === 0
}

function judged(
  { rank, relations: _, ...change }: ChangeFacts,
  { installed, conflicts, isSecurity }: FilterView,
): NotifiedChange {
  const { name, architecture, to } = change
  const has = installed?.get(`${name} ${architecture}`) ?? null
  return {
    ...change,
    section: rank.section,
    priority: rank.priority,
    urgency: rank.urgency ?? (isSecurity ? 'high' : 'medium'),
    security: isSecurity && to !== null,
    installed: has,
    upgrade: has !== null && to !== null && compareVersions(has, to) < 0,
    conflicts: conflicts.get(`${name} ${architecture}`) ?? [],
  }
}

function passes(change: NotifiedChange, { subscription, installed }: FilterView): boolean {
  const { packages, sections, priorities, architectures, urgency } = subscription
  const oneOf = (words: readonly string[], word: string): boolean => words.length === 0 || words.includes(word)
  return (
    (packages.length === 0 || packages.some((glob) => matchesGlob(glob, change.name))) &&
    (oneOf(sections, change.section) || sections.includes(change.section.split('/')[1] ?? change.section)) &&
    oneOf(priorities, change.priority) &&
    oneOf(architectures, change.architecture) &&
    (urgency === null || URGENCIES.indexOf(change.urgency) >= URGENCIES.indexOf(urgency)) &&
    (!subscription.installed || installed === null || change.installed !== null)
  )
}

function sizeOf(changes: readonly { readonly byteLength: number }[]): number {
  return changes.reduce((sum, { byteLength }) => sum + byteLength, 0)
}
