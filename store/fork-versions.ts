/**
 * A package over all releases of a fork: versions from the look-up indexes of the fork and its upstreams, each in those releases of the
 * fork whose own runs hold its stanza. So pins and what is left out count without being known.
 */
import { POSITION_STEP } from '../schemas/chain-position.ts'
import { unionOf } from '../schemas/release-ranges.ts'
import type { ReleaseRange } from '../schemas/release-ranges.ts'
import { isIn } from './curation.ts'
import type { History } from './history.ts'
import { inOrderOfRelease } from './package-history.ts'
import type { VersionRanges } from './package-history.ts'
import type { PackageIndex, StanzaSpan } from './package-index.ts'

interface Found {
  readonly item: Omit<VersionRanges, 'ranges'>
  readonly spans: StanzaSpan[]
  readonly ranges: ReleaseRange[]
}

/** @param indexes of the fork, its upstream, and so on. @throws FreshetError INDEX_INVALID, NO_PEERS. */
export async function forkVersionRanges(
  indexes: readonly PackageIndex[],
  history: History,
  name: string,
): Promise<VersionRanges[]> {
  const found = new Map<string, Found>()
  for (const [level, index] of indexes.entries()) {
    for (const { version, architecture, spans } of await index.versions(name)) {
      const key = `${version} ${architecture}`
      const known = found.get(key) ?? { item: { name, version, architecture }, spans: [], ranges: [] }
      found.set(key, known)
      known.spans.push(...spans.map((span) => ({ ...span, block: span.block + level * POSITION_STEP })))
    }
  }
  for (let number = 1; number <= (history.newest?.number ?? 0); number++) {
    const runs = (await history.plan(number)).indexes.flatMap((index) => [...index.runs])
    for (const { spans, ranges } of found.values()) {
      if (spans.some((span) => isIn(runs, span))) ranges.push({ first: number, last: number })
    }
  }
  return [...found.values()]
    .filter(({ ranges }) => ranges.length > 0)
    .map(({ item, ranges }) => ({ ...item, ranges: unionOf(ranges) }))
    .sort(inOrderOfRelease)
}
