/** What changed between two releases of a channel, with what a subscription asks about each package. */
import { stanzaCount } from '../schemas/edit-script.ts'
import { NOTIFIED_STANZAS_MAX } from '../schemas/limits.ts'
import { fileOf } from '../schemas/package-difference.ts'
import type { ChangeKind, PackageDifference } from '../schemas/package-difference.ts'
import type { PackageRelations } from '../schemas/package-relations.ts'
import type { PackageRank } from '../schemas/package-rank.ts'
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
  /** Of the package that came, else of the one that went. */
  readonly rank: PackageRank
  /** Of the package that came; null: it is gone. */
  readonly relations: PackageRelations | null
}

const NO_RANK: PackageRank = { section: '', priority: 'unknown', urgency: null }

/** @returns null when more than NOTIFIED_STANZAS_MAX stanzas differ. @throws FreshetError NO_PEERS, EVENT_INVALID, STANZA_*. */
export async function readPackageChanges(
  log: ReleaseLog,
  before: SnapshotPlan,
  after: SnapshotPlan,
): Promise<PackageChange[] | null> {
  const { added, removed } = differenceOfPlans(before, after)
  if (stanzaCount(added) + stanzaCount(removed) > NOTIFIED_STANZAS_MAX) return null
  const differences = await differenceOfSnapshots({ log, plan: before }, { log, plan: after }, { details: true })
  return differences.map(changeOf)
}

function changeOf(difference: PackageDifference): PackageChange {
  const { kind, before, after } = difference
  const { name, architecture, rank = NO_RANK } = fileOf(difference)
  const [from, to] = [before?.version ?? null, after?.version ?? null]
  return {
    kind,
    name,
    architecture,
    from,
    to,
    byteLength: after?.byteLength ?? 0,
    rank,
    relations: after?.relations ?? null,
  }
}
