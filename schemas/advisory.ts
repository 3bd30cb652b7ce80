/** What the metadata document of a channel warns of: advisories, and sets of versions that are known to be bad together. */
import { compareVersions } from './debian-version.ts'
import type { MetadataState } from './metadata-fold.ts'

/** Null: it does not say. */
export interface Advisory {
  readonly id: string
  readonly package: string
  /** Versions, such as `>= 1.0, << 1.2-3`; null: all before the fixed one, or all. */
  readonly affected: string | null
  readonly fixed: string | null
  readonly severity: string | null
  readonly reference: string | null
  readonly summary: string | null
}

export interface KnownBadSet {
  readonly set: string
  readonly note: string | null
  /** Package → version. */
  readonly members: Readonly<Record<string, string>>
}

type Fields = ReadonlyMap<string, string>

/** By their ids. One that names no package warns of nothing. */
export function advisoriesIn(state: MetadataState): Advisory[] {
  return [...subjectsOf(state, 'advisory')].flatMap(([id, fields]): Advisory[] => {
    const name = fields.get('package')
    const said = (field: string): string | null => fields.get(field) ?? null
    const [affected, fixed, severity] = [said('affected'), said('fixed'), said('severity')]
    const about = { affected, fixed, severity, reference: said('reference'), summary: said('summary') }
    return name === undefined ? [] : [{ id, package: name, ...about }]
  })
}

/** By their names. */
export function knownBadIn(state: MetadataState): KnownBadSet[] {
  return [...subjectsOf(state, 'set')].flatMap(([set, fields]): KnownBadSet[] => {
    const members = [...fields]
      .flatMap(([field, version]) => {
        const [group, name] = field.split('/')
        return group === 'member' && name !== undefined ? [[name, version] as const] : []
      })
      .sort(([a], [b]) => (a < b ? -1 : 1))
    if (fields.get('kind') !== 'known-bad' || members.length === 0) return []
    return [{ set, note: fields.get('note') ?? null, members: Object.fromEntries(members) }]
  })
}

/** Whether a version of its package is one that it warns of. */
export function isAffected({ affected, fixed }: Advisory, version: string): boolean {
  if (fixed !== null && compareVersions(version, fixed) >= 0) return false
  return affected === null || affected.split(', ').every((part) => admits(part, version))
}

/** @param part `>= 1.0`, as schemas/metadata-paths.ts admits it. */
function admits(part: string, version: string): boolean {
  const [operator = '', bound = ''] = part.split(' ')
  const order = compareVersions(version, bound)
  if (order === 0) return ['<=', '=', '>='].includes(operator)
  return order < 0 ? operator.startsWith('<') : operator.startsWith('>')
}

/** Subject → field → value, of registers of one kind. Of what several wrote at once, the first counts, as `meta get` shows it. */
function subjectsOf({ registers }: MetadataState, kind: string): Map<string, Fields> {
  const subjects = new Map<string, Map<string, string>>()
  for (const [path, [first]] of registers) {
    const [of, subject = '', ...field] = path.split('/')
    if (of !== kind || first === undefined) continue
    const fields = subjects.get(subject) ?? new Map<string, string>()
    subjects.set(subject, fields.set(field.join('/'), first.value))
  }
  return new Map([...subjects].sort(([a], [b]) => (a < b ? -1 : 1)))
}
