/**
 * Whether an explanation is one, by its words alone: each sentence must be what the stanzas say, together they must exclude the package,
 * and without any one of them they must not. Shares nothing with the solver but how versions compare.
 */
import { compareVersions } from '../../schemas/debian-version.ts'

export interface PlainStanza {
  /** NAME:ARCHITECTURE VERSION, as explanations name it. */
  readonly text: string
  readonly name: string
  readonly version: string
  readonly fields: ReadonlyMap<string, string>
}

/** What a sentence excludes: the first is installed, and none of the others is (or, for a conflict, the second as well). */
interface Clause {
  readonly positive: readonly string[]
  readonly negative: readonly string[]
}

const NEED = /^(\S+ \S+) (pre-depends|depends) on (.+?), (?:which is (.+)|and there is only (.+)|and there is none)$/
const REFUSAL = /^(\S+ \S+) (breaks|conflicts with) (.+), which (\S+ \S+) is$/
const ALTERNATIVES = ' or '

export function plainStanzas(index: string): PlainStanza[] {
  const stanzas = index.split(/\n\n+/).filter((text) => text.trim() !== '')
  return stanzas.map((stanza) => {
    const fields = new Map(
      [...stanza.matchAll(/^([A-Za-z0-9-]+): ?(.*(?:\n[ \t].*)*)/gm)].map(([, field = '', value = '']) => [
        field,
        value,
      ]),
    )
    const [name = '', version = '', architecture = ''] = ['Package', 'Version', 'Architecture'].map(
      (f) => fields.get(f) ?? '',
    )
    return { text: `${name}:${architecture} ${version}`, name, version, fields }
  })
}

/** @returns what is wrong with it; null: it is true, enough, and no longer than it has to be. */
export function faultOfExplanation(
  lines: readonly string[],
  about: string,
  stanzas: readonly PlainStanza[],
): string | null {
  const byText = new Map(stanzas.map((stanza) => [stanza.text, stanza]))
  const clauses: Clause[] = []
  for (const line of lines) {
    const clause = needClause(line, byText, stanzas) ?? refusalClause(line, byText)
    if (clause === null) return `not what the stanzas say: ${line}`
    clauses.push(clause)
  }
  if (canBe(about, clauses)) return 'it excludes nothing'
  const idle = lines.findIndex((_, i) => !canBe(about, clauses.toSpliced(i, 1)))
  return idle < 0 ? null : `it holds without: ${lines[idle]}`
}

function needClause(
  line: string,
  byText: ReadonlyMap<string, PlainStanza>,
  stanzas: readonly PlainStanza[],
): Clause | null {
  const [, by = '', verb, group = '', satisfying, only] = NEED.exec(line) ?? []
  const groups = groupsOf(byText.get(by), verb === 'depends' ? 'Depends' : 'Pre-Depends')
  if (!groups.includes(group)) return null
  const relations = group.split(' | ')
  const found = stanzas
    .filter((stanza) => relations.some((relation) => meets(stanza, relation)))
    .map(({ text }) => text)
  const said = satisfying?.split(ALTERNATIVES) ?? []
  if (String(said.toSorted()) !== String(found.toSorted())) return null
  const named = relations.map((relation) => relation.split(/[ :]/)[0])
  const here = stanzas.filter(({ name }) => named.includes(name)).map(({ text }) => text)
  const isOnly =
    only === undefined
      ? satisfying !== undefined || here.length === 0
      : String(only.split(ALTERNATIVES).toSorted()) === String(here.toSorted())
  return isOnly ? { negative: [by], positive: said } : null
}

function refusalClause(line: string, byText: ReadonlyMap<string, PlainStanza>): Clause | null {
  const [, by = '', verb, relation = '', other = ''] = REFUSAL.exec(line) ?? []
  const groups = groupsOf(byText.get(by), verb === 'breaks' ? 'Breaks' : 'Conflicts')
  const refused = byText.get(other)
  return groups.includes(relation) && refused !== undefined && meets(refused, relation)
    ? { negative: [by, other], positive: [] }
    : null
}

function groupsOf(stanza: PlainStanza | undefined, field: string): string[] {
  return (stanza?.fields.get(field) ?? '').split(',').map((group) => group.trim().replaceAll(/\s+/g, ' '))
}

/** By its own name, or by one that it provides. */
function meets({ name, version, fields }: PlainStanza, relation: string): boolean {
  const [, wanted = '', operator = '', bound = ''] = /^([^\s:(]+)(?::\S+)?(?: \((\S+) (\S+)\))?$/.exec(relation) ?? []
  const fits = (offered: string): boolean =>
    operator === '' || (offered !== '' && holds(compareVersions(offered, bound), operator))
  if (name === wanted && fits(version)) return true
  return (fields.get('Provides') ?? '').split(',').some((offer) => {
    const [, provided = '', offered = ''] = /^\s*([^\s:(]+)(?::\S+)?(?: \(= (\S+)\))?\s*$/.exec(offer) ?? []
    return provided === wanted && fits(offered)
  })
}

function holds(order: number, operator: string): boolean {
  if (operator === '=') return order === 0
  if (operator === '<<') return order < 0
  if (operator === '>>') return order > 0
  return operator === '<=' ? order <= 0 : order >= 0
}

/** By trying every set of the packages that are named. */
function canBe(about: string, clauses: readonly Clause[]): boolean {
  const named = [...new Set([about, ...clauses.flatMap(({ positive, negative }) => [...positive, ...negative])])]
  if (named.length > 16) throw new Error(`${named.length} packages are too many to try`)
  return Array.from(
    { length: 2 ** named.length },
    (_, bits) => new Set(named.filter((__, i) => (bits >> i) % 2 === 1)),
  ).some(
    (set) =>
      set.has(about) &&
      clauses.every(
        ({ positive, negative }) => !negative.every((one) => set.has(one)) || positive.some((one) => set.has(one)),
      ),
  )
}
