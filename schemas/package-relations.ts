/**
 * What one stanza says that decides with which other packages its package can be installed: the relations, and Multi-Arch,
 * Essential and Protected.
 *
 * Reads the fields by their bytes and decodes no other: of 50 MB of an index these are 9. A stanza is one that
 * schemas/stanza.ts has checked.
 * A field that is malformed makes its own package one that cannot be installed (`fault`), and no other.
 * Source: Debian Policy 3.8 (Essential), 7.2 to 7.6; dpkg's deb-control(5) for Multi-Arch and Protected.
 */
import { asFreshetError, FreshetError } from './errors.ts'
import type { RelationField, RelationGroup, RelationParser } from './relation.ts'

export type MultiArch = 'no' | 'same' | 'foreign' | 'allowed'

export interface PackageRelations {
  readonly preDepends: readonly RelationGroup[]
  readonly depends: readonly RelationGroup[]
  readonly conflicts: readonly RelationGroup[]
  readonly breaks: readonly RelationGroup[]
  readonly provides: readonly RelationGroup[]
  readonly multiArch: MultiArch
  readonly essential: boolean
  readonly protected: boolean
  /** RELATION_INVALID where a field is malformed: then there are no relations. */
  readonly fault: FreshetError | null
}

/** Of Recommends, Suggests, Enhances and Replaces nothing hangs on whether packages can be installed together. */
const NAMES = [
  'Pre-Depends',
  'Depends',
  'Conflicts',
  'Breaks',
  'Provides',
  'Multi-Arch',
  'Essential',
  'Protected',
] as const
const [PRE_DEPENDS, DEPENDS, CONFLICTS, BREAKS, PROVIDES, MULTI_ARCH, ESSENTIAL, PROTECTED] = [0, 1, 2, 3, 4, 5, 6, 7]
const NO_FIELD = -1

/** First byte of a line, in either case → numbers of the names above that begin with it. */
const BY_INITIAL: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, byte) =>
  [...NAMES.keys()].filter((field) => ((NAMES[field] ?? '').charCodeAt(0) | 0x20) === (byte | 0x20) && byte > 0x40),
)

const LINE_FEED = 0x0a
const COLON = 0x3a
const NONE: readonly RelationGroup[] = []

// Scratch of the reading in progress: where the values are. Reading is synchronous and calls nobody, so one set serves everyone.
const starts = new Int32Array(NAMES.length)
const ends = new Int32Array(NAMES.length)

/** @param name of the package, for the fault. */
export function readPackageRelations(
  bytes: Buffer,
  start: number,
  end: number,
  parser: RelationParser,
  name: string,
): PackageRelations {
  findValues(bytes, start, end)
  const parsed = (field: number): readonly RelationGroup[] => {
    if (starts[field] === NO_FIELD) return NONE
    return parser.parse(NAMES[field] as RelationField, bytes, starts[field] ?? 0, ends[field] ?? 0)
  }
  const marks = {
    multiArch: multiArchOf(valueOf(bytes, MULTI_ARCH)),
    essential: valueOf(bytes, ESSENTIAL) === 'yes',
    protected: valueOf(bytes, PROTECTED) === 'yes',
  }
  try {
    return {
      preDepends: parsed(PRE_DEPENDS),
      depends: parsed(DEPENDS),
      conflicts: parsed(CONFLICTS),
      breaks: parsed(BREAKS),
      provides: parsed(PROVIDES),
      ...marks,
      fault: null,
    }
  } catch (error) {
    const { code, message, detail } = asFreshetError(error)
    if (code !== 'RELATION_INVALID') throw error
    const fault = new FreshetError(code, `${name}: ${message}`, { ...detail, package: name })
    return { preDepends: NONE, depends: NONE, conflicts: NONE, breaks: NONE, provides: NONE, ...marks, fault }
  }
}

/** A value of several lines ends with the last of them. */
function findValues(bytes: Buffer, start: number, end: number): void {
  starts.fill(NO_FIELD)
  let current = NO_FIELD
  for (let at = start; at < end;) {
    const newline = bytes.indexOf(LINE_FEED, at)
    const lineEnd = newline < 0 || newline > end ? end : newline
    const initial = bytes[at] ?? 0
    if (initial !== 0x20 && initial !== 0x09) {
      current = fieldAt(bytes, at, BY_INITIAL[initial] ?? [])
      if (current !== NO_FIELD) starts[current] = at + (NAMES[current] ?? '').length + 1
    }
    if (current !== NO_FIELD) ends[current] = lineEnd
    at = lineEnd + 1
  }
}

function fieldAt(bytes: Buffer, start: number, fields: readonly number[]): number {
  for (const field of fields) {
    const name = NAMES[field] ?? ''
    if (bytes[start + name.length] === COLON && isNamed(bytes, start, name)) return field
  }
  return NO_FIELD
}

function isNamed(bytes: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const [expected, actual] = [name.charCodeAt(i), bytes[start + i] ?? 0]
    if (actual !== expected && (actual | 0x20) !== (expected | 0x20)) return false
  }
  return true
}

function valueOf(bytes: Buffer, field: number): string {
  return starts[field] === NO_FIELD ? '' : bytes.toString('latin1', starts[field], ends[field]).trim()
}

function multiArchOf(text: string): MultiArch {
  return text === 'same' || text === 'foreign' || text === 'allowed' ? text : 'no'
}
