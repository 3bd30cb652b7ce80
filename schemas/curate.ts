/**
 * What a fork makes of an index file of its upstream: the stanzas of upstream, with those of the fork in their places.
 *
 * A function of two things only, the upstream release and the fork's changes, and of nothing that was decided before: so a package
 * of ours that upstream has overtaken comes back when upstream falls behind again, and anybody can compute a release of a fork anew.
 * For each name, in this order: a pin is what there is; what was removed is not there; between a package of ours and one of theirs
 * the rule decides; everything else is upstream's. What replaces stanzas stands where the first of them stood; what upstream lacks
 * stands at the end, by name.
 */
import { compareVersions } from './debian-version.ts'
import type { AutoMerge, MergeRule } from './events.ts'
import type { PackageStanza } from './stanza.ts'

/** Where in the log, or further up (schemas/chain-position.ts). */
export interface StanzaPlace {
  readonly block: number
  readonly ordinal: number
}

/** A stanza that a fork wants to see in an index file. */
export interface CuratedPackage extends PackageStanza {
  /** The index file. */
  readonly path: string
  /** Verbatim, with the blank line that ends it. */
  readonly text: Buffer
  /** Null: no block has it yet. */
  readonly place: StanzaPlace | null
}

/** `curation` of schemas/events.ts, with what its places hold. */
export interface ForkChanges {
  /** Counts for packages without a rule of their own. */
  readonly rule: MergeRule
  /** Whether releases of upstream are taken as they come. */
  readonly auto: AutoMerge
  readonly own: readonly CuratedPackage[]
  readonly pinned: readonly CuratedPackage[]
  readonly removed: ReadonlySet<string>
  readonly rules: ReadonlyMap<string, MergeRule>
}

export const NO_CHANGES: ForkChanges = {
  rule: 'keep-ours',
  auto: 'off',
  own: [],
  pinned: [],
  removed: new Set(),
  rules: new Map(),
}

/** A stanza of upstream's index file that the fork has something to say about. */
export interface UpstreamPackage extends PackageStanza {
  /** Which one it is in the file. */
  readonly index: number
}

/** What became of the packages of one name in one index file. */
export interface Decision {
  readonly name: string
  readonly path: string
  readonly taken: 'pinned' | 'removed' | 'ours' | 'theirs'
  /** What the fork has for it: the pin, else its own packages. */
  readonly ours: readonly CuratedPackage[]
  readonly theirs: readonly UpstreamPackage[]
}

/** Stanzas of upstream, or one of the fork, in the order of the index file. */
export type CuratedPart =
  | { readonly from: 'upstream'; readonly first: number; readonly count: number }
  | { readonly from: 'fork'; readonly packaged: CuratedPackage }

export interface CuratedIndex {
  readonly parts: readonly CuratedPart[]
  readonly decisions: readonly Decision[]
}

/** Names that `changes` say something about. */
export function curatedNames({ own, pinned, removed }: ForkChanges): Set<string> {
  return new Set([...own.map(({ name }) => name), ...pinned.map(({ name }) => name), ...removed])
}

/**
 * @param known stanzas of upstream's file with one of `curatedNames`, in its order.
 * @param count stanzas in upstream's file. @param isOpen whether the last of them lacks its blank line: nothing can follow it.
 */
export function curateIndex(
  path: string,
  known: readonly UpstreamPackage[],
  { count, isOpen }: { readonly count: number; readonly isOpen: boolean },
  changes: ForkChanges,
): CuratedIndex {
  const theirs = byName(known)
  const [own, pinned] = [changes.own, changes.pinned].map((packages) =>
    byName(packages.filter((of) => of.path === path)),
  )
  const names = new Set([...theirs.keys(), ...own!.keys(), ...pinned!.keys()])
  const decisions = [...names].sort().map((name): Decision => {
    const [pins, ours, upstream] = [pinned!.get(name) ?? [], own!.get(name) ?? [], theirs.get(name) ?? []]
    if (pins.length > 0) return { name, path, taken: 'pinned', ours: pins, theirs: upstream }
    const taken = changes.removed.has(name)
      ? 'removed'
      : choose(changes.rules.get(name) ?? changes.rule, ours, upstream)
    return { name, path, taken, ours, theirs: upstream }
  })
  return { parts: partsOf(decisions, count, isOpen), decisions }
}

/** Whose package it is where both may have one. A version that is not newer than ours does not push ours out. */
function choose(
  rule: MergeRule,
  ours: readonly CuratedPackage[],
  theirs: readonly UpstreamPackage[],
): 'ours' | 'theirs' {
  if (ours.length === 0) return 'theirs'
  if (theirs.length === 0 || rule === 'keep-ours') return 'ours'
  if (rule === 'theirs') return 'theirs'
  return compareVersions(newestOf(theirs), newestOf(ours)) > 0 ? 'theirs' : 'ours'
}

function newestOf(packages: readonly PackageStanza[]): string {
  return packages.map(({ version }) => version).reduce((a, b) => (compareVersions(a, b) >= 0 ? a : b))
}

function partsOf(decisions: readonly Decision[], count: number, isOpen: boolean): CuratedPart[] {
  const dropped = new Set<number>()
  const inserted = new Map<number, readonly CuratedPackage[]>()
  const end = isOpen ? count - 1 : count
  for (const { taken, ours, theirs } of decisions) {
    if (taken === 'theirs') continue
    for (const { index } of theirs) dropped.add(index)
    if (taken === 'removed' || ours.length === 0) continue
    const at = theirs[0]?.index ?? end
    inserted.set(at, [...(inserted.get(at) ?? []), ...ours])
  }
  const parts: CuratedPart[] = []
  let kept = 0 // stanzas of upstream that no part has yet begin here
  const keepUntil = (index: number): void => {
    if (index > kept) parts.push({ from: 'upstream', first: kept, count: index - kept })
    kept = index
  }
  for (const index of [...new Set([...dropped, ...inserted.keys()])].sort((a, b) => a - b)) {
    keepUntil(index)
    for (const packaged of inserted.get(index) ?? []) parts.push({ from: 'fork', packaged })
    if (dropped.has(index)) kept = index + 1
  }
  keepUntil(count)
  return parts
}

function byName<Package extends PackageStanza>(packages: readonly Package[]): Map<string, Package[]> {
  const found = new Map<string, Package[]>()
  for (const packaged of packages) {
    const known = found.get(packaged.name)
    if (known === undefined) found.set(packaged.name, [packaged])
    else known.push(packaged)
  }
  return found
}
