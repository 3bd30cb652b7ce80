/** What composing a release of a fork does differently: its curation, and what its look-up index says of its own packages. */
import { levelOf } from '../schemas/chain-position.ts'
import type { CuratedPackage, ForkChanges, StanzaPlace } from '../schemas/curate.ts'
import { encodeEvent } from '../schemas/events.ts'
import type { Curation } from '../schemas/events.ts'
import type { CurationBefore, PlacedPackage } from '../schemas/release-draft.ts'
import type { StanzaTable } from '../schemas/stanza-table.ts'
import { readPackageStanza } from '../schemas/stanza.ts'
import type { IndexChanges } from './package-index.ts'

/** Makes the texts of `changes` known to `table`; those without a place get one when the new ones are packed. */
export function placeChanges(table: StanzaTable, { own, pinned }: ForkChanges): void {
  for (const { text, place } of [...own, ...pinned]) {
    const ids = table.add(oneStanza(text))
    if (place !== null) table.placeRuns(ids, [{ block: place.block, first: place.ordinal, count: 1 }])
  }
}

/** @returns null where the newest curation of the log says the same. All texts must be placed. */
export function encodeCuration(table: StanzaTable, changes: ForkChanges, before: CurationBefore | null): Buffer | null {
  const paths = [...new Set([...changes.own, ...changes.pinned].map(({ path }) => path))].sort()
  const placed = (packaged: CuratedPackage): Curation['own'][number] => {
    return { path: paths.indexOf(packaged.path), ...(packaged.place ?? placeOf(table, packaged.text)) }
  }
  const curation: Curation = {
    rule: changes.rule,
    auto: changes.auto,
    paths,
    own: changes.own.map(placed),
    pinned: changes.pinned.map(placed),
    removed: [...changes.removed].sort(),
    rules: [...changes.rules].map(([name, rule]) => ({ name, rule })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
  const encoded = encodeEvent({ type: 'curation', ...curation })
  const known = before === null ? null : encodeEvent({ type: 'curation', ...before.curation })
  return known?.equals(encoded) === true ? null : encoded
}

/** Packages of the fork's own log that come and go with a release: what is upstream's stands in upstream's index. */
export function ownChanges(
  table: StanzaTable,
  after: readonly Int32Array[],
  before: readonly PlacedPackage[],
): IndexChanges {
  const held = new Map(before.map((packaged) => [placeName(packaged), packaged]))
  const kept = new Map<string, PlacedPackage>()
  for (const ids of after) {
    for (const id of ids) {
      const { block, first } = table.placeOf(id)
      if (levelOf(block) > 0 || kept.has(placeName({ block, ordinal: first }))) continue
      const text = table.textOf(id)
      const { name, version, architecture, digest } = readPackageStanza(text, 0, text.length, 'a stanza of the fork')
      kept.set(placeName({ block, ordinal: first }), { name, version, architecture, digest, block, ordinal: first })
    }
  }
  const identities = new Set([...kept.values()].map(identityOf))
  return {
    added: [...kept].filter(([place]) => !held.has(place)).map(([, packaged]) => packaged),
    removed: [...held.values()].filter(
      (packaged) => !kept.has(placeName(packaged)) && !identities.has(identityOf(packaged)),
    ),
  }
}

function placeOf(table: StanzaTable, text: Buffer): StanzaPlace {
  const [id = 0] = table.add(oneStanza(text))
  const { block, first } = table.placeOf(id)
  return { block, ordinal: first }
}

function oneStanza(text: Buffer): { bytes: Buffer; offsets: Uint32Array } {
  return { bytes: text, offsets: Uint32Array.of(0, text.length) }
}

function placeName({ block, ordinal }: StanzaPlace): string {
  return `${block} ${ordinal}`
}

function identityOf({ name, version, architecture }: PlacedPackage): string {
  return `${name} ${version} ${architecture}`
}
