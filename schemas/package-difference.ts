/**
 * Differences between two sets of packages, as people ask for them: what came, went, went up, went down.
 *
 * A package is a name and an architecture; a set may hold it in several versions. What both sets hold (the same version with
 * the same bytes) is no difference. Of the rest, a version that both have with other bytes is `changed`; then the newest of
 * one side stands against the newest of the other, by Debian's order; and what is left over was added or removed. So this can
 * be told from the differing stanzas alone: from {1} to {1, 2} is "2 added", from {1, 2} to {2, 3} "1 upgraded to 3".
 */
import { compareVersions } from './debian-version.ts'
import type { PackageRelations } from './package-relations.ts'
import type { PackageRank } from './package-rank.ts'
import type { PackageStanza } from './stanza.ts'

/** What of a stanza tells one package file from another. */
export interface PackageFile extends Pick<
  PackageStanza,
  'name' | 'version' | 'architecture' | 'byteLength' | 'digest'
> {
  /** Where somebody wants to know. */
  readonly rank?: PackageRank
  readonly relations?: PackageRelations
}

/** In the order in which journals write them: append only. */
export const CHANGE_KINDS = ['added', 'removed', 'upgraded', 'downgraded', 'changed'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

export interface PackageDifference {
  readonly kind: ChangeKind
  /** Null when it was added. */
  readonly before: PackageFile | null
  /** Null when it was removed. */
  readonly after: PackageFile | null
}

/**
 * @param sameFile what one and the same file on both sides is: `unchanged`, or `changed` where the callers know that its
 *   stanza differs.
 * @returns by name, architecture and version.
 */
export function differenceOfPackages(
  before: Iterable<PackageFile>,
  after: Iterable<PackageFile>,
  sameFile: 'unchanged' | 'changed',
): PackageDifference[] {
  const sides = new Map<string, { before: PackageFile[]; after: PackageFile[] }>()
  const sidesOf = ({ name, architecture }: PackageFile): { before: PackageFile[]; after: PackageFile[] } => {
    const key = `${name} ${architecture}`
    const known = sides.get(key) ?? { before: [], after: [] }
    sides.set(key, known)
    return known
  }
  for (const file of before) sidesOf(file).before.push(file)
  for (const file of after) sidesOf(file).after.push(file)
  return [...sides.values()].flatMap((side) => differenceOfVersions(side, sameFile)).sort(inOrder)
}

/** Both sides are one package. */
function differenceOfVersions(
  sides: { before: readonly PackageFile[]; after: readonly PackageFile[] },
  sameFile: 'unchanged' | 'changed',
): PackageDifference[] {
  const old = new Map(sides.before.map((file) => [`${file.version} ${file.digest}`, file]))
  const fresh = new Map(sides.after.map((file) => [`${file.version} ${file.digest}`, file]))
  const found: PackageDifference[] = []
  for (const [identity, after] of fresh) {
    const before = old.get(identity)
    if (before === undefined) continue
    if (sameFile === 'changed') found.push({ kind: 'changed', before, after })
    old.delete(identity)
    fresh.delete(identity)
  }
  const [gone, come] = [newestFirst(old.values()), newestFirst(fresh.values())]
  for (const after of [...come]) {
    const at = gone.findIndex(({ version }) => version === after.version)
    if (at < 0) continue
    found.push({ kind: 'changed', before: gone[at] as PackageFile, after })
    gone.splice(at, 1)
    come.splice(come.indexOf(after), 1)
  }
  const [before, after] = [gone[0], come[0]]
  if (before !== undefined && after !== undefined) {
    const order = compareVersions(before.version, after.version)
    found.push({ kind: order < 0 ? 'upgraded' : order > 0 ? 'downgraded' : 'changed', before, after })
    gone.shift()
    come.shift()
  }
  for (const file of gone) found.push({ kind: 'removed', before: file, after: null })
  for (const file of come) found.push({ kind: 'added', before: null, after: file })
  return found
}

function newestFirst(files: Iterable<PackageFile>): PackageFile[] {
  return [...files].sort((a, b) => compareVersions(b.version, a.version) || compareText(a.version, b.version))
}

function inOrder(a: PackageDifference, b: PackageDifference): number {
  const [one, other] = [fileOf(a), fileOf(b)]
  return (
    compareText(one.name, other.name) ||
    compareText(one.architecture, other.architecture) ||
    compareVersions(one.version, other.version) ||
    compareText(one.digest, other.digest)
  )
}

/** The file that a difference is about: the one that came, else the one that went. */
export function fileOf({ before, after }: PackageDifference): PackageFile {
  return (after ?? before) as PackageFile
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
