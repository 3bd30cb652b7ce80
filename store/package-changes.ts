/** What changed between two releases of a channel, for notifications: told in full only while somebody would read the list. */
import { stanzaCount } from '../schemas/edit-script.ts'
import { PACKAGE_CHANGES_MAX } from '../schemas/limits.ts'
import { fileOf } from '../schemas/package-difference.ts'
import type { ChangeKind, PackageDifference } from '../schemas/package-difference.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReleaseLog } from './release-log.ts'
import { differenceOfPlans, differenceOfSnapshots } from './snapshot-difference.ts'

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
  const { added, removed } = differenceOfPlans(before, after)
  if (stanzaCount(added) + stanzaCount(removed) > PACKAGE_CHANGES_MAX) return null
  return (await differenceOfSnapshots({ log, plan: before }, { log, plan: after })).map(changeOf)
}

function changeOf(difference: PackageDifference): PackageChange {
  const { kind, before, after } = difference
  const { name, architecture } = fileOf(difference)
  const [from, to] = [before?.version ?? null, after?.version ?? null]
  return { kind, name, architecture, from, to, byteLength: after?.byteLength ?? 0 }
}
