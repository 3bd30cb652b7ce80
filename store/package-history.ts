/**
 * A package over all releases, and in one of them, from the index of the channel: nothing is rebuilt.
 *
 * The index was written by somebody else. Its ranges must be ranges of releases that exist, and a stanza that it points to
 * must be one of the release by that release's own runs.
 */
import { compareVersions } from '../schemas/debian-version.ts'
import { FreshetError } from '../schemas/errors.ts'
import { unionOf } from '../schemas/release-ranges.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import { readPackageStanza } from '../schemas/stanza.ts'
import type { PackageStanza } from '../schemas/stanza.ts'
import type { IndexedPackage, PackageIndex, StanzaSpan } from './package-index.ts'
import type { SnapshotPlan } from './release-block.ts'
import type { ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'

/** One version of a package and the releases that held it, ascending. */
export interface VersionRanges extends IndexedPackage {
  readonly ranges: readonly ReleaseRange[]
}

/** A stanza and the block of the log that holds it. */
export interface LoggedStanza extends PackageStanza {
  readonly block: number
}

/**
 * In the order in which releases brought them.
 * @param newest number of the release as of which `index` is read.
 * @throws FreshetError INDEX_INVALID, NO_PEERS.
 */
export async function versionRanges(index: PackageIndex, name: string, newest: number): Promise<VersionRanges[]> {
  const found = (await index.versions(name)).map(({ version, architecture, spans }) => {
    return { name, version, architecture, ranges: unionOf(spans.map((span) => rangeOf(span, newest))) }
  })
  return found.sort(inOrderOfRelease)
}

/**
 * Stanzas called `name` in the release of `plan`.
 * @returns null when the index points to a stanza that is not in the release: it knows one stanza of a version, and two
 *   index files may say different things about it. Then only the release itself tells.
 * @throws FreshetError INDEX_INVALID, NO_PEERS.
 */
export async function stanzasThrough(
  index: PackageIndex,
  newest: number,
  { log, plan }: { readonly log: ReleaseLog; readonly plan: SnapshotPlan },
  name: string,
): Promise<LoggedStanza[] | null> {
  const { number } = plan.release
  const found: LoggedStanza[] = []
  for (const { version, architecture, spans } of await index.versions(name)) {
    for (const span of spans) {
      const { first, last } = rangeOf(span, newest)
      if (number < first || number > last) continue
      if (!isIn(plan, span)) return null
      const stanza = await readStanza(log, span)
      if (stanza.name !== name || stanza.version !== version || stanza.architecture !== architecture) return null
      found.push(stanza)
    }
  }
  return found
}

function rangeOf({ first, last }: StanzaSpan, newest: number): ReleaseRange {
  const range = { first, last: last === 0 ? newest : last }
  if (first >= 1 && range.last >= first && range.last <= newest) return range
  throw new FreshetError('INDEX_INVALID', `the index names releases ${first} to ${last}, and there are ${newest}`)
}

function isIn({ indexes }: SnapshotPlan, { block, ordinal }: StanzaSpan): boolean {
  return indexes.some(({ runs }) =>
    runs.some((run) => run.block === block && run.first <= ordinal && ordinal < run.first + run.count),
  )
}

async function readStanza(log: ReleaseLog, { block, ordinal }: StanzaSpan): Promise<LoggedStanza> {
  const { text, offsets } = await readStanzas(log, block)
  const [start, end] = [offsets[ordinal] ?? 0, offsets[ordinal + 1] ?? 0]
  return { ...readPackageStanza(text, start, end, `stanza ${ordinal} of block ${block}`), block }
}

/** Versions by the release that brought them. */
export function inOrderOfRelease(a: VersionRanges, b: VersionRanges): number {
  return firstOf(a) - firstOf(b) || compareVersions(a.version, b.version) || order(a, b)
}

function firstOf({ ranges }: VersionRanges): number {
  return ranges[0]?.first ?? 0
}

function order(a: VersionRanges, b: VersionRanges): number {
  return a.architecture < b.architecture ? -1 : 1
}
