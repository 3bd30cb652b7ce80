/**
 * Relations between packages: what the fields Depends, Pre-Depends, Recommends, Suggests, Enhances, Conflicts, Breaks, Replaces
 * and Provides say.
 *
 * A field is a list of groups, each of which is a list of alternatives: `a (>= 1), b | c:any` are two groups. Restrictions to
 * architectures (`[amd64]`) and build profiles (`<!nocheck>`) belong to source packages and are refused here, as dpkg does.
 * Source: Debian Policy 7.1 (syntax), 7.5 (Provides); qualifiers as in dpkg's deb-control(5).
 */
import { compareVersions, isVersion } from './debian-version.ts'
import { FreshetError } from './errors.ts'
import { PACKAGE_NAME_BYTES_MAX, RELATION_ALTERNATIVES_MAX, RELATION_GROUPS_MAX } from './limits.ts'

export const RELATION_FIELDS = [
  'Pre-Depends',
  'Depends',
  'Recommends',
  'Suggests',
  'Enhances',
  'Conflicts',
  'Breaks',
  'Replaces',
  'Provides',
] as const
export type RelationField = (typeof RELATION_FIELDS)[number]

export type RelationOperator = '<<' | '<=' | '=' | '>=' | '>>'

/** One package that a field names. */
export interface Relation {
  readonly name: string
  /** After the colon of the name: an architecture, `any` or `native`; null without one. */
  readonly qualifier: string | null
  /** Null: any version. */
  readonly operator: RelationOperator | null
  /** '' where there is no operator. */
  readonly version: string
}

/** Alternatives, the preferred one first; one, where the field knows no alternatives. */
export type RelationGroup = readonly Relation[]

/** `<` and `>` are what old packages wrote for `<=` and `>=`, and what dpkg still reads them as. */
const OPERATORS: Readonly<Record<string, RelationOperator>> = {
  '<<': '<<',
  '<=': '<=',
  '<': '<=',
  '=': '=',
  '>=': '>=',
  '>': '>=',
  '>>': '>>',
}
const RELATION = /^([a-z0-9][a-z0-9+.-]+)(?::([a-z0-9][a-z0-9-]*))?(?:\s*\(\s*(<<|<=|<|=|>=|>|>>)\s*([^\s()]+)\s*\))?$/
const COMMA = 0x2c
const WITH_ALTERNATIVES: ReadonlySet<RelationField> = new Set(['Pre-Depends', 'Depends', 'Recommends', 'Suggests'])

/**
 * Parses fields, and gives equal groups of all fields it parses as one and the same object: an index of 63,000 packages has
 * 335,000 groups, a tenth of them different, and what is looked up for one of them holds for all. Equal groups are found by
 * their bytes, so that most are never made a text.
 */
export class RelationParser {
  /** By kind of field: a group with alternatives is none of Conflicts. */
  readonly #tables = { several: new GroupTable(), single: new GroupTable(), provided: new GroupTable() }

  /**
   * Parses the value of a field, `bytes[start..end]`.
   * @throws FreshetError RELATION_INVALID, which says what is wrong; who has the field is for the caller to add.
   */
  parse(field: RelationField, bytes: Buffer, start: number, end: number): RelationGroup[] {
    const table = this.#tables[WITH_ALTERNATIVES.has(field) ? 'several' : field === 'Provides' ? 'provided' : 'single']
    const groups: RelationGroup[] = []
    const last = trimmedEnd(bytes, start, end)
    let at = skipBlanks(bytes, start, last)
    if (at === last) return groups
    for (;;) {
      const comma = bytes.indexOf(COMMA, at)
      const partEnd = comma < 0 || comma > last ? last : comma
      groups.push(table.at(field, bytes, at, trimmedEnd(bytes, at, partEnd)))
      if (groups.length > RELATION_GROUPS_MAX) refuse(field, `it has more than ${RELATION_GROUPS_MAX} relations`)
      if (partEnd === last) return groups
      at = skipBlanks(bytes, partEnd + 1, last)
    }
  }
}

/** Groups that were parsed, by the bytes they were parsed from: open addressing, as the table is read ten times for each entry. */
class GroupTable {
  #slots = new Int32Array(1024).fill(-1)
  readonly #hashes: number[] = []
  readonly #texts: string[] = []
  readonly #groups: RelationGroup[] = []

  at(field: RelationField, bytes: Buffer, start: number, end: number): RelationGroup {
    let hash = 0x811c9dc5
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
    let slot = hash & (this.#slots.length - 1)
    for (let n = this.#slots[slot] ?? -1; n !== -1; n = this.#slots[slot] ?? -1) {
      if (this.#hashes[n] === hash && isText(bytes, start, end, this.#texts[n] ?? '')) return this.#groups[n] ?? []
      slot = (slot + 1) & (this.#slots.length - 1)
    }
    const text = bytes.toString('latin1', start, end)
    const group = parseGroup(field, text)
    this.#hashes.push(hash)
    this.#texts.push(text)
    this.#slots[slot] = this.#groups.push(group) - 1
    if (this.#groups.length * 2 > this.#slots.length) this.#grow()
    return group
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 4).fill(-1)
    for (const [n, hash] of this.#hashes.entries()) {
      let slot = hash & (this.#slots.length - 1)
      while (this.#slots[slot] !== -1) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = n
    }
  }
}

function isText(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let i = start; i < end; i++) if (bytes[i] !== text.charCodeAt(i - start)) return false
  return true
}

function skipBlanks(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && isBlank(bytes[at])) at++
  return at
}

function trimmedEnd(bytes: Buffer, start: number, end: number): number {
  let at = end
  while (at > start && isBlank(bytes[at - 1])) at--
  return at
}

/** A field may go on in lines that begin with a blank. */
function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

function parseGroup(field: RelationField, text: string): RelationGroup {
  const alternatives = text.split('|')
  if (alternatives.length > 1 && !WITH_ALTERNATIVES.has(field)) refuse(field, `alternatives in ${shown(text)}`)
  if (alternatives.length > RELATION_ALTERNATIVES_MAX) {
    refuse(field, `more than ${RELATION_ALTERNATIVES_MAX} alternatives in ${shown(text)}`)
  }
  return alternatives.map((alternative) => parseRelation(field, alternative.trim()))
}

function parseRelation(field: RelationField, text: string): Relation {
  if (text === '') refuse(field, 'a relation is empty')
  const match = RELATION.exec(text)
  const name = match?.[1]
  if (name === undefined || name.length > PACKAGE_NAME_BYTES_MAX) refuse(field, `${shown(text)} is no relation`)
  const operator = match?.[3] === undefined ? null : (OPERATORS[match[3]] ?? null)
  const version = match?.[4] ?? ''
  if (operator !== null && !isVersion(version)) refuse(field, `${shown(version)} is no version`)
  if (field === 'Provides' && operator !== null && operator !== '=')
    refuse(field, `${shown(text)} is no single version`)
  return { name, qualifier: match?.[2] ?? null, operator, version }
}

function refuse(field: RelationField, reason: string): never {
  throw new FreshetError('RELATION_INVALID', `${field}: ${reason}`, { field })
}

/** Bytes from outside for a message: quoted, escaped, cut. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text).replace(/[^\x20-\x7e]/g, '?')
}

/** Whether a package of this version is what `relation` asks for, names and architectures aside. */
export function admitsVersion({ operator, version: bound }: Relation, version: string): boolean {
  if (operator === null) return true
  const order = compareVersions(version, bound)
  switch (operator) {
    case '<<':
      return order < 0
    case '<=':
      return order <= 0
    case '=':
      return order === 0
    case '>=':
      return order >= 0
    case '>>':
      return order > 0
  }
}

/** As a field has it. */
export function relationText({ name, qualifier, operator, version }: Relation): string {
  return `${name}${qualifier === null ? '' : `:${qualifier}`}${operator === null ? '' : ` (${operator} ${version})`}`
}

/** As a field has it. */
export function groupText(group: RelationGroup): string {
  return group.map(relationText).join(' | ')
}
