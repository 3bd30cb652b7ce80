/**
 * Adds to a plan what its new packages recommend, as far as it fits: a recommendation is no reason to change anything else.
 *
 * As apt does it, only packages that come new are asked: what somebody has left out or removed before stays out.
 */
import { parseFields } from '../../schemas/stanza.ts'
import type { RelationGroup, RelationParser } from '../../schemas/relation.ts'
import { asFreshetError } from '../../schemas/errors.ts'
import type { Candidate } from './candidate.ts'
import { InstallSet } from './install-set.ts'
import { planOf } from './plan-packages.ts'
import type { FoundPlan, PlanRequest } from './plan-packages.ts'
import type { Universe } from './universe.ts'

export function withRecommended(
  universe: Universe,
  request: PlanRequest,
  { final, install }: FoundPlan,
  parser: RelationParser,
): FoundPlan {
  const set = InstallSet.of(universe, final)
  const names = new Set(request.installed.map((id) => universe.candidate(id).name))
  const waiting = [...install]
  const asked = new Set<number>()
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    if (asked.has(id)) continue
    asked.add(id)
    const candidate = universe.candidate(id)
    if (names.has(candidate.name)) continue
    for (const group of recommendedBy(candidate, parser)) {
      const fitting = universe.offering(group, candidate.architecture)
      if (fitting.some((one) => set.has(one)) || !fitting.some((one) => set.add(one))) continue
      waiting.push(...set.members().filter((member) => !asked.has(member) && !final.has(member)))
    }
  }
  return planOf(universe, request, new Set(set.members()))
}

/** Read when it is asked for: of a whole suite few are. A field that is malformed recommends nothing. */
function recommendedBy({ source, ordinal }: Candidate, parser: RelationParser): readonly RelationGroup[] {
  if (source === null) return []
  const stanza = source.bytes.subarray(source.offsets[ordinal], source.offsets[ordinal + 1])
  const value = Buffer.from(parseFields(stanza).get('Recommends') ?? '')
  try {
    return parser.parse('Recommends', value, 0, value.byteLength)
  } catch (error) {
    if (asFreshetError(error).code === 'RELATION_INVALID') return []
    throw error
  }
}
