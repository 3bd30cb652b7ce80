/**
 * Checks a set of packages against what the packages themselves say, by going through them one by one: nothing of the solver is
 * used here, so that a plan does not vouch for itself.
 * Source: Debian Policy 7, as in actors/solver/universe.ts.
 */
import { compareVersions } from '../../schemas/debian-version.ts'
import { admitsVersion, groupText, relationText } from '../../schemas/relation.ts'
import type { Relation } from '../../schemas/relation.ts'
import { candidateText, needsOf, refusalsOf } from './candidate.ts'
import type { Candidate } from './candidate.ts'

/** @returns what is wrong with having exactly these packages on a machine of this architecture; nothing, where it is right. */
export function faultsOfSet(packages: readonly Candidate[], native: string): string[] {
  const speakers = new Map<string, Candidate[]>()
  for (const candidate of packages) {
    for (const name of namesOf(candidate)) speakers.set(name, [...(speakers.get(name) ?? []), candidate])
  }
  const called = (name: string): readonly Candidate[] => speakers.get(name) ?? []
  return packages.flatMap((candidate) => [
    ...(candidate.relations.fault === null ? [] : [candidate.relations.fault.message]),
    ...needsOf(candidate)
      .filter(
        (group) => !group.some((wanted) => called(wanted.name).some((one) => serves(one, wanted, candidate, native))),
      )
      .map((group) => `${candidateText(candidate)} needs ${groupText(group)}`),
    ...refusalsOf(candidate)
      .flat()
      .filter((refused) => called(refused.name).some((one) => isRefused(one, refused, candidate, native)))
      .map((refused) => `${candidateText(candidate)} does not go with ${relationText(refused)}`),
    ...called(candidate.name)
      .filter((one) => one !== candidate && one.name === candidate.name && !areTwins(one, candidate))
      .map((one) => `${candidateText(candidate)} beside ${candidateText(one)}`),
  ])
}

function namesOf({ name, relations }: Candidate): Set<string> {
  return new Set([name, ...relations.provides.flat().map((offer) => offer.name)])
}

/** Whether a package is, or provides, what a relation of another asks for, its architecture included. */
function serves(one: Candidate, wanted: Relation, asking: Candidate, native: string): boolean {
  const { multiArch, provides } = one.relations
  const own = (architecture: string): string => (architecture === 'all' ? native : architecture)
  const asked =
    wanted.qualifier === null ? asking.architecture : wanted.qualifier === 'native' ? native : wanted.qualifier
  const isOpen =
    (wanted.qualifier === null && multiArch === 'foreign') ||
    (wanted.qualifier === 'any' && (multiArch === 'foreign' || multiArch === 'allowed'))
  const isAt = (architecture: string): boolean => isOpen || architecture === 'any' || own(architecture) === own(asked)
  if (one.name === wanted.name && admitsVersion(wanted, one.version) && isAt(one.architecture)) return true
  return provides.flat().some((offer) => isOffered(offer, wanted) && isAt(offer.qualifier ?? one.architecture))
}

function isRefused(one: Candidate, refused: Relation, by: Candidate, native: string): boolean {
  if (one.name === by.name) return false // one version at a time is another rule
  const own = (architecture: string): string =>
    architecture === 'all' || architecture === 'native' ? native : architecture
  const { qualifier } = refused
  if (qualifier !== null && qualifier !== 'any' && own(qualifier) !== own(one.architecture)) return false
  if (one.name === refused.name && admitsVersion(refused, one.version)) return true
  return one.relations.provides.flat().some((offer) => isOffered(offer, refused))
}

function isOffered(offer: Relation, wanted: Relation): boolean {
  if (offer.name !== wanted.name) return false
  return wanted.operator === null || (offer.operator !== null && admitsVersion(wanted, offer.version))
}

function areTwins(a: Candidate, b: Candidate): boolean {
  const areSame = a.relations.multiArch === 'same' && b.relations.multiArch === 'same'
  return areSame && a.architecture !== b.architecture && compareVersions(a.version, b.version) === 0
}
