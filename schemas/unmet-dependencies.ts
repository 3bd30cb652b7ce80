/**
 * Packages that cannot be installed from a set of index files, because something that they depend on is not in it.
 *
 * Looks at Depends and Pre-Depends, alternatives, versions and Provides, and goes on until nothing changes: what depends on a package
 * that cannot be installed cannot be either. Conflicts are not looked at: what is named here is broken for certain, and something else
 * may be, too. Source: Debian Policy 7.1 (syntax), 7.5 (virtual packages).
 */
import { compareVersions, isVersion } from './debian-version.ts'
import type { StanzaList } from './stanza-table.ts'

export interface UnmetDependency {
  readonly name: string
  readonly version: string
  /** The clause that nothing satisfies, as it is written. */
  readonly clause: string
}

interface Alternative {
  readonly name: string
  readonly relation: string
  readonly version: string
}

interface Clause {
  readonly text: string
  readonly alternatives: readonly Alternative[]
}

interface Candidate {
  readonly name: string
  readonly version: string
  readonly clauses: readonly Clause[]
}

/** Who gives a name, and in which version; null: a virtual one without. */
interface Provider {
  readonly candidate: Candidate
  readonly version: string | null
}

const FIELD = /^(Package|Version|Depends|Pre-Depends|Provides):(.*(?:\n[ \t].*)*)/gm
const ALTERNATIVE = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?/

/** @param lists index files of one architecture. @returns by name. */
export function unmetDependencies(lists: Iterable<StanzaList>): UnmetDependency[] {
  const providers = new Map<string, Provider[]>()
  const candidates: Candidate[] = []
  for (const { bytes, offsets } of lists) {
    for (let i = 0; i < offsets.length - 1; i++) {
      candidates.push(readCandidate(bytes.toString('latin1', offsets[i], offsets[i + 1]), providers))
    }
  }
  const broken = new Map<Candidate, string>()
  for (let before = -1; before !== broken.size;) {
    before = broken.size
    for (const candidate of candidates) {
      if (broken.has(candidate)) continue
      const unmet = candidate.clauses.find((clause) => !isMet(clause, providers, broken))
      if (unmet !== undefined) broken.set(candidate, unmet.text)
    }
  }
  return [...broken]
    .map(([{ name, version }, clause]) => ({ name, version, clause }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function readCandidate(stanza: string, providers: Map<string, Provider[]>): Candidate {
  const fields = new Map<string, string>()
  for (const [, name = '', value = ''] of stanza.matchAll(FIELD)) fields.set(name, value.replace(/\s+/g, ' ').trim())
  const clauses = ['Pre-Depends', 'Depends'].flatMap((field) => readClauses(fields.get(field) ?? ''))
  const candidate = { name: fields.get('Package') ?? '', version: fields.get('Version') ?? '', clauses }
  provide(providers, candidate.name, { candidate, version: candidate.version })
  for (const { alternatives } of readClauses(fields.get('Provides') ?? '')) {
    for (const { name, version } of alternatives) provide(providers, name, { candidate, version: version || null })
  }
  return candidate
}

function provide(providers: Map<string, Provider[]>, name: string, provider: Provider): void {
  const known = providers.get(name)
  if (known === undefined) providers.set(name, [provider])
  else known.push(provider)
}

/** What is no alternative is passed over: it asks for nothing that can be looked up. */
function readClauses(value: string): Clause[] {
  const clauses: Clause[] = []
  for (const text of value.split(',')) {
    const alternatives = text.split('|').flatMap((part): Alternative[] => {
      const [, name, relation = '', version = ''] = ALTERNATIVE.exec(part.trim()) ?? []
      return name === undefined ? [] : [{ name, relation, version }]
    })
    if (alternatives.length > 0) clauses.push({ text: text.trim(), alternatives })
  }
  return clauses
}

function isMet(
  { alternatives }: Clause,
  providers: ReadonlyMap<string, readonly Provider[]>,
  broken: ReadonlyMap<Candidate, string>,
): boolean {
  return alternatives.some(({ name, relation, version }) =>
    (providers.get(name) ?? []).some(
      (provider) => !broken.has(provider.candidate) && (relation === '' || fits(provider.version, relation, version)),
    ),
  )
}

function fits(offered: string | null, relation: string, wanted: string): boolean {
  if (offered === null || !isVersion(offered) || !isVersion(wanted)) return false
  const order = compareVersions(offered, wanted)
  if (relation === '=') return order === 0
  if (relation === '<<') return order < 0
  if (relation === '>>') return order > 0
  return relation.startsWith('<') ? order <= 0 : order >= 0 // a single sign is the old way to write `<=` and `>=`
}
