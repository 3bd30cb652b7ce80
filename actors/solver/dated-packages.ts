/** Packages of many releases as the solver sees them: each once, with the releases that held it. */
import { unionOf } from '../../schemas/release-ranges.ts'
import type { ReleaseRange } from '../../schemas/release-ranges.ts'
import { stanzaOf } from './candidate.ts'
import type { Candidate } from './candidate.ts'

export interface DatedPackage {
  readonly candidate: Candidate
  /** Ascending. */
  readonly spans: readonly ReleaseRange[]
}

/**
 * Stanzas that say the same of one version, in what the solver acts on, become one package; others become editions of it, told
 * apart by the releases that held them.
 * @param spans of each candidate.
 */
export function datedPackages(
  candidates: readonly Candidate[],
  spans: readonly (readonly ReleaseRange[])[],
): DatedPackage[] {
  const byVersion = new Map<string, DatedPackage[]>()
  for (const [i, candidate] of candidates.entries()) {
    const key = `${candidate.name} ${candidate.version} ${candidate.architecture}`
    const editions = byVersion.get(key) ?? []
    byVersion.set(key, editions)
    const known = editions.findIndex((edition) => isSame(edition.candidate, candidate))
    const own = spans[i] ?? []
    if (known < 0) editions.push({ candidate: { ...candidate, edition: editions.length }, spans: own })
    else {
      const edition = editions[known] as DatedPackage
      editions[known] = { ...edition, spans: unionOf([...edition.spans, ...own]) }
    }
  }
  return [...byVersion.values()].flat()
}

export function isHeld(spans: readonly ReleaseRange[], release: number): boolean {
  return spans.some(({ first, last }) => first <= release && release <= last)
}

/** Of two stanzas of one version. Relations of one reading are the same objects where they are the same text. */
function isSame(a: Candidate, b: Candidate): boolean {
  const { fault, ...one } = a.relations
  const { fault: otherFault, ...other } = b.relations
  const fields = Object.keys(one) as (keyof typeof one)[]
  const areSame = fields.every((field) => {
    const [x, y] = [one[field], other[field]]
    if (!Array.isArray(x) || !Array.isArray(y)) return x === y
    return x.length === y.length && x.every((group, i) => group === y[i])
  })
  return areSame && fault?.message === otherFault?.message && stanzaOf(a)?.digest === stanzaOf(b)?.digest
}
