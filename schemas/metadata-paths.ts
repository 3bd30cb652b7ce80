/**
 * What the metadata document of a channel may say: registers, each named by a path and holding one text.
 *
 * A register is the unit of conflict: two people who describe one package, one its pin and the other its tags, never meet.
 * Read by whoever takes up a change: one that names another register, or a value that cannot stand there, is refused whole.
 */
import { isVersion } from './debian-version.ts'
import { FreshetError } from './errors.ts'
import { METADATA_PATH_BYTES_MAX, METADATA_VALUE_BYTES_MAX, PACKAGE_NAME_BYTES_MAX } from './limits.ts'

/** @returns what is wrong with a value, or null. */
type Check = (value: string) => string | null

const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/
/** Of advisories, sets and tags. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9+._:-]{0,99}$/
const RANGE = /^(?:(?:<<|<=|=|>=|>>) \S+)(?:, (?:<<|<=|=|>=|>>) \S+)*$/

const isText: Check = (value) => (hasControls(value) ? 'has control characters' : null)
const isVersionText: Check = (value) => (isVersion(value) ? null : 'is not a version')
const isPackageText: Check = (value) => (isPackageName(value) ? null : 'is not the name of a package')
const isRange: Check = (value) =>
  RANGE.test(value) && value.split(', ').every((part) => isVersion(part.split(' ')[1] ?? ''))
    ? null
    : "is not a range of versions like '>= 1.0, << 1.2-3'"
const isUrl: Check = (value) => (/^https?:\/\/\S+$/.test(value) && URL.canParse(value) ? null : 'is not an http(s) URL')
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.includes(value) ? null : `is none of ${words.join(', ')}`

/** kind → field → what its value may be. `*` stands for a name of its own: the tag, the package of a set. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  channel: { description: isText, note: isText },
  package: {
    description: isText,
    note: isText,
    /** The version to stay at. */
    pin: isVersionText,
    /** Instead of what its control file says: dependencies that are wrong there. */
    depends: isText,
    conflicts: isText,
    'tag/*': oneOf('yes'),
  },
  advisory: {
    package: isPackageText,
    affected: isRange,
    fixed: isVersionText,
    severity: oneOf('low', 'medium', 'high', 'critical'),
    reference: isUrl,
    summary: isText,
  },
  set: { kind: oneOf('known-good', 'known-bad'), note: isText, 'member/*': isVersionText },
}

interface MetadataPath {
  readonly kind: string
  /** Package, advisory or set; empty for the channel itself. */
  readonly subject: string
  /** `pin`, `tag/essential`, `member/bash`. */
  readonly field: string
}

/** @returns null when no register has this path. */
function parseMetadataPath(text: string): MetadataPath | null {
  if (Buffer.byteLength(text) > METADATA_PATH_BYTES_MAX) return null
  const [kind = '', ...rest] = text.split('/')
  const fields = Object.hasOwn(FIELDS, kind) ? FIELDS[kind] : undefined
  if (fields === undefined) return null
  const subject = kind === 'channel' ? '' : (rest.shift() ?? '')
  const isSubject = kind === 'channel' || (kind === 'package' ? isPackageName(subject) : NAME.test(subject))
  const field = rest.join('/')
  return isSubject && checkOf(kind, field) !== null ? { kind, subject, field } : null
}

/** What people read and nothing acts on: of two that say it differently the newest is shown, and nobody has to decide. */
const PROSE: ReadonlySet<string> = new Set(['description', 'note', 'summary'])

/** Whether somebody must decide between two values of a register: a pin, a fix-up, an advisory, a set. */
export function isBinding(path: string): boolean {
  return !PROSE.has(parseMetadataPath(path)?.field ?? '')
}

/**
 * @param value null: the register is emptied.
 * @throws FreshetError METADATA_INVALID unless a register of this path can hold it.
 */
export function requireRegister(path: string, value: string | null): void {
  const parsed = parseMetadataPath(path)
  if (parsed === null) throw invalid(path, 'no register is called so')
  if (value === null) return
  if (value === '' || Buffer.byteLength(value) > METADATA_VALUE_BYTES_MAX) {
    throw invalid(path, `a value has 1 to ${METADATA_VALUE_BYTES_MAX} bytes`)
  }
  const fault = checkOf(parsed.kind, parsed.field)?.(value) ?? null
  if (fault !== null) throw invalid(path, `${JSON.stringify(value.slice(0, 100))} ${fault}`)
}

function checkOf(kind: string, field: string): Check | null {
  const fields = FIELDS[kind] as Readonly<Record<string, Check>>
  if (Object.hasOwn(fields, field)) return field.includes('*') ? null : (fields[field] as Check)
  const [group = '', name = '', ...more] = field.split('/')
  const star = `${group}/*`
  if (more.length > 0 || !Object.hasOwn(fields, star)) return null
  const isName = group === 'member' ? isPackageName(name) : NAME.test(name)
  return isName ? (fields[star] as Check) : null
}

function isPackageName(text: string): boolean {
  return text.length <= PACKAGE_NAME_BYTES_MAX && PACKAGE.test(text)
}

/** Line feeds and tabs are part of a description; whatever else moves a terminal is not. */
function hasControls(text: string): boolean {
  return /[^\P{Cc}\n\t]|\p{Cs}/u.test(text)
}

function invalid(path: string, what: string): FreshetError {
  const shown = path.slice(0, 200)
  return new FreshetError('METADATA_INVALID', `${JSON.stringify(shown)}: ${what}`, { path: shown })
}
