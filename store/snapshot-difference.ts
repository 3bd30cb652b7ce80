/**
 * What tells two snapshots apart, package by package.
 *
 * Within one channel only the stanzas that came and went are read, and a stanza that says something else about the same file
 * counts as changed. Between channels there is nothing but the packages to compare, so all of both are read, and what is said
 * about equal files does not count. The same package in several indexes (Architecture: all) counts once; one that stands in
 * two indexes of a snapshot in different words counts as long as these words differ.
 */
import type { Run } from '../schemas/edit-script.ts'
import { differenceOfPackages } from '../schemas/package-difference.ts'
import type { PackageDifference } from '../schemas/package-difference.ts'
import { differenceOfRuns } from '../schemas/run-list.ts'
import type { RunDifference } from '../schemas/run-list.ts'
import { readPackageFiles } from './package-files.ts'
import type { ReadingOptions } from './package-files.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReleaseLog } from './release-log.ts'

/** A release of a channel. */
export interface SnapshotOf {
  readonly log: ReleaseLog
  readonly plan: SnapshotPlan
}

/** @throws as readPackageFiles. */
export async function differenceOfSnapshots(
  before: SnapshotOf,
  after: SnapshotOf,
  options: ReadingOptions = {},
): Promise<PackageDifference[]> {
  const isOneChannel = before.log.key === after.log.key
  const { removed, added } = isOneChannel
    ? differenceOfPlans(before.plan, after.plan)
    : { removed: runsOf(before.plan), added: runsOf(after.plan) }
  const went = await readPackageFiles(before.log, removed, options)
  const came = await readPackageFiles(after.log, added, options)
  return differenceOfPackages(went, came, isOneChannel ? 'changed' : 'unchanged')
}

/** Two releases of one log: stanzas of it that only one of them has. */
export function differenceOfPlans(before: SnapshotPlan, after: SnapshotPlan): RunDifference {
  return differenceOfRuns(runsOf(before), runsOf(after))
}

/** Of all indexes, each stanza once. */
function runsOf({ indexes }: SnapshotPlan): readonly Run[] {
  return differenceOfRuns(
    [],
    indexes.flatMap(({ runs }) => [...runs]),
  ).added
}
