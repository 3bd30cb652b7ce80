/**
 * What changed between two snapshots, package by package: read from the few stanzas that came and went, not from whole indexes.
 *
 * The same package in several indexes (Architecture: all) counts once.
 */
import { compareVersions } from '../schemas/debian-version.ts'
import type { Run } from '../schemas/edit-script.ts'
import { PACKAGE_CHANGES_MAX } from '../schemas/limits.ts'
import { differenceOfRuns } from '../schemas/run-list.ts'
import { stanzaCount } from '../schemas/edit-script.ts'
import { isBlankSlice, readPackageStanza } from '../schemas/stanza.ts'
import type { PackageStanza } from '../schemas/stanza.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'
import type { StanzaBlock } from './stanza-block.ts'

/** Blocks being unpacked side by side: 16 of 256 KiB. */
const RUNS_AT_ONCE = 16

export type ChangeKind = 'added' | 'removed' | 'upgraded' | 'downgraded' | 'changed'

export interface PackageChange {
  readonly kind: ChangeKind
  readonly name: string
  readonly architecture: string
  /** Version before and after; null where there is none. */
  readonly from: string | null
  readonly to: string | null
  /** Size of the new .deb; 0 when it is gone. */
  readonly byteLength: number
}

/** @returns null when more than PACKAGE_CHANGES_MAX stanzas differ (a first release): nobody reads such a list. */
export async function readPackageChanges(
  log: ReleaseLog,
  before: SnapshotPlan,
  after: SnapshotPlan,
): Promise<PackageChange[] | null> {
  const runsOf = ({ indexes }: SnapshotPlan): Run[] => indexes.flatMap(({ runs }) => [...runs])
  const { added, removed } = differenceOfRuns(runsOf(before), runsOf(after))
  if (stanzaCount(added) + stanzaCount(removed) > PACKAGE_CHANGES_MAX) return null
  const came = byPackage(await readAll(log, added))
  const went = byPackage(await readAll(log, removed))
  const changes: PackageChange[] = []
  for (const [key, now] of came) changes.push(changeOf(went.get(key) ?? null, now))
  for (const [key, { name, architecture, version }] of went) {
    if (!came.has(key)) changes.push({ kind: 'removed', name, architecture, from: version, to: null, byteLength: 0 })
  }
  return changes.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

function changeOf(before: PackageStanza | null, now: PackageStanza): PackageChange {
  const { name, architecture, version, byteLength } = now
  if (before === null) return { kind: 'added', name, architecture, from: null, to: version, byteLength }
  const order = compareVersions(before.version, version)
  const kind = order < 0 ? 'upgraded' : order > 0 ? 'downgraded' : 'changed'
  return { kind, name, architecture, from: before.version, to: version, byteLength }
}

/** By name and architecture; of several versions in one snapshot the newest stands for the package. */
function byPackage(stanzas: readonly PackageStanza[]): Map<string, PackageStanza> {
  const packages = new Map<string, PackageStanza>()
  for (const stanza of stanzas) {
    const key = `${stanza.name} ${stanza.architecture}`
    const known = packages.get(key)
    if (known === undefined || compareVersions(known.version, stanza.version) < 0) packages.set(key, stanza)
  }
  return packages
}

async function readAll(log: ReleaseLog, runs: readonly Run[]): Promise<PackageStanza[]> {
  const found: PackageStanza[] = []
  for (let start = 0; start < runs.length; start += RUNS_AT_ONCE) {
    const some = runs.slice(start, start + RUNS_AT_ONCE)
    const blocks = [...new Set(some.map(({ block }) => block))]
    const read = new Map(
      await Promise.all(blocks.map(async (block) => [block, await readStanzas(log, block)] as const)),
    )
    for (const { block, first, count } of some) {
      const { text, offsets } = read.get(block) as StanzaBlock
      for (let i = first; i < first + count; i++) {
        const [from, to] = [offsets[i] ?? 0, offsets[i + 1] ?? 0]
        if (isBlankSlice(text.subarray(from, to))) continue
        found.push(readPackageStanza(text, from, to, `stanza ${i} of block ${block}`))
      }
    }
  }
  return found
}
