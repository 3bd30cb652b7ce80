/** What a release of a fork changes in its look-up index: packages of its own log. What is upstream's stands in upstream's index. */
import type { StanzaPlace } from '../schemas/curate.ts'
import type { PlacedPackage } from '../schemas/release-draft.ts'
import type { IndexChanges } from './package-index.ts'

/** In the order of the log, which publishers and auditors have alike. */
export function ownChanges(before: readonly PlacedPackage[], after: readonly PlacedPackage[]): IndexChanges {
  const [held, kept] = [before, after].map((packages) => new Map(packages.map((item) => [placeName(item), item])))
  const identities = new Set(after.map(identityOf))
  const inOrder = (a: PlacedPackage, b: PlacedPackage): number => a.block - b.block || a.ordinal - b.ordinal
  const went = (item: PlacedPackage): boolean => !kept!.has(placeName(item)) && !identities.has(identityOf(item))
  return {
    added: [...kept!.values()].filter((item) => !held!.has(placeName(item))).sort(inOrder),
    removed: [...held!.values()].filter(went).sort(inOrder),
  }
}

function placeName({ block, ordinal }: StanzaPlace): string {
  return `${block} ${ordinal}`
}

function identityOf({ name, version, architecture }: PlacedPackage): string {
  return `${name} ${version} ${architecture}`
}
