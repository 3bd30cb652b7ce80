/**
 * How a person changes what a fork changes: packages added, replaced, left out, pinned, given a rule, or given back to upstream.
 *
 * Pure. Refuses what its name does not mean: adding what upstream has would replace it unseen.
 */
import type { CuratedPackage, ForkChanges } from './curate.ts'
import { FreshetError } from './errors.ts'
import type { AutoMerge, MergeRule } from './events.ts'
import { CURATED_MAX } from './limits.ts'
import type { PackageStanza } from './stanza.ts'

/** Packages of upstream that an edit is about, by name. */
export type UpstreamHas = ReadonlyMap<string, readonly PackageStanza[]>

export type ForkEdit =
  | { readonly edit: 'add' | 'replace'; readonly packages: readonly CuratedPackage[] }
  | { readonly edit: 'pin'; readonly packages: readonly CuratedPackage[] }
  | { readonly edit: 'remove'; readonly names: readonly string[] }
  | { readonly edit: 'reset'; readonly names: readonly string[] }
  | { readonly edit: 'auto'; readonly names: readonly []; readonly auto: AutoMerge }
  | { readonly edit: 'rule'; readonly names: readonly string[]; readonly rule: MergeRule }

/** @throws FreshetError CURATION_REFUSED, VERSION_REUSE. */
export function editFork(changes: ForkChanges, edit: ForkEdit, upstream: UpstreamHas): ForkChanges {
  const edited = apply(changes, edit, upstream)
  const most = Math.max(edited.own.length, edited.pinned.length, edited.removed.size, edited.rules.size)
  if (most > CURATED_MAX) throw refused(`a fork changes at most ${CURATED_MAX} packages, and these would be ${most}`)
  return edited
}

/** Names that `edit` is about. */
export function editedNames(edit: ForkEdit): readonly string[] {
  return 'names' in edit ? edit.names : edit.packages.map(({ name }) => name)
}

function apply(changes: ForkChanges, edit: ForkEdit, upstream: UpstreamHas): ForkChanges {
  if ('packages' in edit) {
    const rest = without(changes, edit.packages, 'pinned', 'removed')
    if (edit.edit === 'pin') return { ...rest, pinned: added(changes.pinned, edit.packages) }
    for (const packaged of edit.packages) requireFits(edit.edit, packaged, changes, upstream.get(packaged.name) ?? [])
    return { ...rest, own: added(changes.own, edit.packages) }
  }
  if (edit.edit === 'remove') return remove(changes, edit.names, upstream)
  if (edit.edit === 'reset') return without(changes, edit.names.map(nameOnly), 'own', 'pinned', 'removed', 'rules')
  if (edit.edit === 'auto') return edit.auto === changes.auto ? changes : { ...changes, auto: edit.auto }
  if (edit.names.length === 0) return edit.rule === changes.rule ? changes : { ...changes, rule: edit.rule }
  return { ...changes, rules: new Map([...changes.rules, ...edit.names.map((name) => [name, edit.rule] as const)]) }
}

/** @throws FreshetError CURATION_REFUSED where upstream's having the package is not what the edit says; VERSION_REUSE. */
function requireFits(
  edit: 'add' | 'replace',
  { name, version, architecture, digest }: CuratedPackage,
  { own }: ForkChanges,
  upstream: readonly PackageStanza[],
): void {
  const isOurs = own.some((known) => known.name === name)
  if (edit === 'add' && upstream.length > 0 && !isOurs) throw refused(`upstream has ${name}: replace it instead`)
  if (edit === 'replace' && upstream.length === 0 && !isOurs) throw refused(`upstream has no ${name}: add it instead`)
  const other = [...own, ...upstream].find(
    (known) =>
      known.name === name &&
      known.version === version &&
      known.architecture === architecture &&
      known.digest !== digest,
  )
  if (other === undefined) return
  const message = `${name} ${version} (${architecture}) is there with other bytes: give it a version of its own`
  throw new FreshetError('VERSION_REUSE', message, { name, version, architecture })
}

/** A package of ours that upstream has no other of is simply gone; any other name stays listed as left out. */
function remove(changes: ForkChanges, names: readonly string[], upstream: UpstreamHas): ForkChanges {
  const left = without(changes, names.map(nameOnly), 'own', 'pinned', 'rules')
  const isOurs = new Set([...changes.own, ...changes.pinned].map(({ name }) => name))
  const unknown = names.find((name) => !upstream.has(name) && !isOurs.has(name))
  if (unknown !== undefined) throw refused(`there is no ${unknown} to remove`)
  return { ...left, removed: new Set([...changes.removed, ...names.filter((name) => upstream.has(name))]) }
}

/** The newest of one name, architecture and index file takes the place of those before. */
function added(known: readonly CuratedPackage[], packages: readonly CuratedPackage[]): readonly CuratedPackage[] {
  const slot = ({ name, architecture, path }: CuratedPackage): string => `${name} ${architecture} ${path}`
  const fresh = new Map(packages.map((packaged) => [slot(packaged), packaged]))
  return [...known.filter((packaged) => !fresh.has(slot(packaged))), ...fresh.values()].sort(order)
}

function without(
  changes: ForkChanges,
  packages: readonly { readonly name: string }[],
  ...of: readonly ('own' | 'pinned' | 'removed' | 'rules')[]
): ForkChanges {
  const names = new Set(packages.map(({ name }) => name))
  const rest = (list: readonly CuratedPackage[]): readonly CuratedPackage[] =>
    list.filter(({ name }) => !names.has(name))
  return {
    ...changes,
    ...(of.includes('own') ? { own: rest(changes.own) } : {}),
    ...(of.includes('pinned') ? { pinned: rest(changes.pinned) } : {}),
    ...(of.includes('removed') ? { removed: new Set([...changes.removed].filter((name) => !names.has(name))) } : {}),
    ...(of.includes('rules') ? { rules: new Map([...changes.rules].filter(([name]) => !names.has(name))) } : {}),
  }
}

function nameOnly(name: string): { readonly name: string } {
  return { name }
}

function order(a: CuratedPackage, b: CuratedPackage): number {
  const keys = [a, b].map(({ name, path, architecture }) => `${name} ${path} ${architecture}`)
  return keys[0]! < keys[1]! ? -1 : 1
}

function refused(message: string): FreshetError {
  return new FreshetError('CURATION_REFUSED', message)
}
