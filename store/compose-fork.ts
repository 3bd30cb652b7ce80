/**
 * Composing a release of a fork: its scripts are what was decided, so nothing of upstream is looked at again, and texts that no log has
 * are packed. The rest of a release is composed as any other (compose-release.ts).
 */
import { levelOf } from '../schemas/chain-position.ts'
import type { CuratedPackage, CuratedPart, ForkChanges, StanzaPlace } from '../schemas/curate.ts'
import { pushOp } from '../schemas/edit-script.ts'
import type { EditOp } from '../schemas/edit-script.ts'
import { encodeEvent } from '../schemas/events.ts'
import type { Curation, IndexFile } from '../schemas/events.ts'
import type { CurationBefore, DraftBasis, PlacedPackage } from '../schemas/release-draft.ts'
import type { IndexChanges } from './package-index.ts'
import { ownChanges } from './own-changes.ts'
import { StanzaGroups } from './pack-stanzas.ts'

export interface ComposedBasis {
  readonly blocks: readonly Buffer[]
  /** Position of the curation that counts from here on; 0: nothing was ever changed. */
  readonly curationBlock: number
  readonly scripts: ReadonlyMap<string, IndexFile['script']>
  /** Of the fork's own log: what is upstream's stands in upstream's look-up index. */
  readonly changes: IndexChanges
}

/** @param base position that the first of the blocks will have. */
export async function composeBasis(base: number, { indexes, changes, before }: DraftBasis): Promise<ComposedBasis> {
  const places = new Places(base, [...changes.own, ...changes.pinned])
  const blocks = await places.pack()
  const curation = encodeCuration(places, changes, before)
  const curationBlock = curation === null ? (before?.block ?? 0) : base + blocks.length
  return {
    blocks: curation === null ? blocks : [...blocks, curation],
    curationBlock,
    scripts: new Map(
      indexes.map(({ path, parts, count }) => [path, scriptOf(parts, count, (packaged) => places.of(packaged))]),
    ),
    changes: ownChanges(before?.packages ?? [], ownOf(places, indexes)),
  }
}

/** Where the fork's stanzas are, or will be once the new ones are packed. */
class Places {
  readonly #groups = new StanzaGroups()
  readonly #fresh = new Map<string, StanzaPlace>()

  constructor(base: number, packages: readonly CuratedPackage[]) {
    for (const { text, place } of packages) {
      const key = text.toString('latin1')
      if (place !== null || this.#fresh.has(key)) continue
      const { group, ordinal } = this.#groups.add(text)
      this.#fresh.set(key, { block: base + group, ordinal })
    }
  }

  of({ text, place }: CuratedPackage): StanzaPlace {
    return place ?? (this.#fresh.get(text.toString('latin1')) as StanzaPlace)
  }

  pack(): Promise<Buffer[]> {
    return this.#groups.pack()
  }
}

/**
 * From upstream's index file to the fork's.
 * @param count stanzas of upstream's. @param placeOf where a package of the fork stands.
 */
export function scriptOf(
  parts: readonly CuratedPart[],
  count: number,
  placeOf: (packaged: CuratedPackage) => StanzaPlace,
): EditOp[] {
  const script: EditOp[] = []
  let at = 0
  const dropUntil = (index: number): void => {
    if (index > at) pushOp(script, { op: 'drop', count: index - at })
    at = Math.max(at, index)
  }
  for (const part of parts) {
    if (part.from === 'fork') {
      const { block, ordinal } = placeOf(part.packaged)
      pushOp(script, { op: 'insert', count: 1, block, first: ordinal })
    } else {
      dropUntil(part.first)
      pushOp(script, { op: 'keep', count: part.count })
      at += part.count
    }
  }
  dropUntil(count)
  return script
}

/** @returns null where the newest curation of the log says the same. */
function encodeCuration(places: Places, changes: ForkChanges, before: CurationBefore | null): Buffer | null {
  const paths = [...new Set([...changes.own, ...changes.pinned].map(({ path }) => path))].sort()
  const placed = (packaged: CuratedPackage): Curation['own'][number] => {
    return { path: paths.indexOf(packaged.path), ...places.of(packaged) }
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

/** What stands in the fork's own log. */
function ownOf(places: Places, indexes: DraftBasis['indexes']): PlacedPackage[] {
  return indexes.flatMap(({ parts }) =>
    parts.flatMap((part): PlacedPackage[] => {
      if (part.from === 'upstream') return []
      const { name, version, architecture, digest } = part.packaged
      const place = places.of(part.packaged)
      return levelOf(place.block) === 0 ? [{ name, version, architecture, digest, ...place }] : []
    }),
  )
}
