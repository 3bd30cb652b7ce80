/**
 * Release files: the index of a suite's indexes, read from others and written for our own channels.
 *
 * Knows the format only: whether a signature holds is for others to say. Paths are checked by schemas/repository-path.ts.
 * Only the SHA256 section counts; MD5Sum and SHA1 are carried by old files and ignored.
 * Source: the repository format page of the Debian wiki (fields, dates), Debian Policy 5.1 (syntax).
 */
import { FreshetError } from './errors.ts'
import { IN_RELEASE_BYTES_MAX } from './limits.ts'
import { repositoryPathFault } from './repository-path.ts'
import { parseFields } from './stanza.ts'
import { type DigestHex, parseDigest } from './units.ts'

export interface ListedFile {
  readonly byteLength: number
  readonly digest: DigestHex
}

export interface ReleaseFile {
  /** Empty where the file does not say; so are label, suite and codename. */
  readonly origin: string
  readonly label: string
  readonly suite: string
  readonly codename: string
  /** Date and Valid-Until: Unix milliseconds. */
  readonly date: number
  readonly validUntil: number | null
  readonly acquireByHash: boolean
  readonly architectures: readonly string[]
  readonly components: readonly string[]
  /** Path below dists/SUITE/ → what the file there must be. */
  readonly sha256: ReadonlyMap<string, ListedFile>
  /** Every field, names as written. */
  readonly fields: ReadonlyMap<string, string>
}

export interface NewReleaseFile {
  readonly origin: string
  readonly label: string
  readonly suite: string
  readonly codename: string
  readonly date: number
  readonly validUntil: number | null
  readonly architectures: readonly string[]
  readonly components: readonly string[]
  readonly description: string
  readonly sha256: ReadonlyMap<string, ListedFile>
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DATE =
  /^(?:[A-Z][a-z]{2}, +)?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) +(\d{1,2}):(\d{2}):(\d{2}) (?:UTC|GMT|Z|([+-])(\d{2})(\d{2}))$/
const LISTED = /^[ \t]*([0-9A-Fa-f]{64})[ \t]+([0-9]{1,15})[ \t]+(\S+)$/
const ARCHITECTURE = /^[a-z0-9][a-z0-9-]*$/
const CONTROL = /[\x00-\x1f\x7f]/

/**
 * @param text a Release file, or the signed text of an InRelease.
 * @throws FreshetError RELEASE_MALFORMED
 */
export function parseRelease(text: string): ReleaseFile {
  if (text.length > IN_RELEASE_BYTES_MAX) throw malformed(`it has more than ${IN_RELEASE_BYTES_MAX} characters`)
  const fields = readFields(text)
  const values = new Map<string, string>()
  for (const [name, value] of fields) values.set(name.toLowerCase(), value)
  const date = values.get('date')
  if (date === undefined) throw malformed('it has no Date')
  const validUntil = values.get('valid-until')
  const section = values.get('sha256')
  if (section === undefined) throw malformed('it has no SHA256 section')
  const architectures = words(values.get('architectures'))
  for (const name of architectures) {
    if (!ARCHITECTURE.test(name)) throw malformed(`Architectures has ${JSON.stringify(name)}`)
  }
  const components = words(values.get('components'))
  for (const name of components) {
    if (repositoryPathFault(name) !== null) throw malformed(`Components has ${JSON.stringify(name)}`)
  }
  return {
    origin: singleLine(values, 'origin'),
    label: singleLine(values, 'label'),
    suite: singleLine(values, 'suite'),
    codename: singleLine(values, 'codename'),
    date: parseDate('Date', date),
    validUntil: validUntil === undefined ? null : parseDate('Valid-Until', validUntil),
    acquireByHash: singleLine(values, 'acquire-by-hash').toLowerCase() === 'yes',
    architectures,
    components,
    sha256: parseSection(section),
    fields,
  }
}

/**
 * Text of an unsigned Release file; the files are listed by path, so that equal input gives equal bytes.
 * @throws FreshetError RELEASE_MALFORMED where a value could not be read back
 */
export function writeRelease(release: NewReleaseFile): string {
  const lines = [
    ['Origin', release.origin],
    ['Label', release.label],
    ['Suite', release.suite],
    ['Codename', release.codename],
    ['Date', formatDate(release.date)],
    ...(release.validUntil === null ? [] : [['Valid-Until', formatDate(release.validUntil)]]),
    ['Acquire-By-Hash', 'yes'],
    ['Architectures', release.architectures.join(' ')],
    ['Components', release.components.join(' ')],
    ['Description', release.description],
  ].map(([name = '', value = '']) => {
    if (CONTROL.test(value)) throw malformed(`${name} ${JSON.stringify(value)} has a control character`)
    return `${name}: ${value}`.trimEnd()
  })
  lines.push('SHA256:')
  const listed = [...release.sha256].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [path, { digest, byteLength }] of listed) {
    const fault = path.includes(' ') ? 'has a space' : repositoryPathFault(path)
    if (fault !== null) throw malformed(`the path ${JSON.stringify(path)} ${fault}`)
    lines.push(` ${digest} ${String(byteLength).padStart(8)} ${path}`)
  }
  return `${lines.join('\n')}\n`
}

function readFields(text: string): Map<string, string> {
  try {
    return parseFields(Buffer.from(text, 'utf8'), 'Release')
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error), error)
  }
}

function parseSection(section: string): Map<string, ListedFile> {
  const files = new Map<string, ListedFile>()
  for (const line of section.split('\n')) {
    if (line === '') continue
    const [, hex = '', size = '', path = ''] = LISTED.exec(line) ?? []
    const digest = parseDigest(hex.toLowerCase())
    if (digest === null) throw malformed(`SHA256 has the line ${JSON.stringify(line.slice(0, 120))}`)
    const fault = repositoryPathFault(path)
    if (fault !== null) throw malformed(`the path ${JSON.stringify(path.slice(0, 120))} ${fault}`)
    const file = { byteLength: Number(size), digest }
    const before = files.get(path)
    if (before !== undefined && (before.digest !== digest || before.byteLength !== file.byteLength)) {
      throw malformed(`${path} is listed twice, as different files`)
    }
    files.set(path, file)
  }
  return files
}

/** RFC 2822 in UTC as archives write it; apt also takes a numeric zone only where it is zero, and so do we. */
function parseDate(field: string, text: string): number {
  const match = DATE.exec(text)
  if (match === null) throw malformed(`${field} is ${JSON.stringify(text.slice(0, 80))}`)
  const [, day, monthName = '', year, hour, minute, second, sign, zoneHour, zoneMinute] = match
  const month = MONTHS.indexOf(monthName)
  const parts = [Number(year), month, Number(day), Number(hour), Number(minute), Number(second)] as const
  const at = new Date(Date.UTC(...parts))
  const back = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes()]
  // Date.UTC turns 31 February into 3 March: such a date is wrong, not late.
  const exact = at.getUTCSeconds() === Number(second) && back.every((part, index) => part === parts[index])
  const zoned = sign !== undefined && (zoneHour !== '00' || zoneMinute !== '00')
  if (month === -1 || !exact || zoned) throw malformed(`${field} is ${JSON.stringify(text)}`)
  return at.getTime()
}

function formatDate(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', 'UTC')
}

function singleLine(values: ReadonlyMap<string, string>, name: string): string {
  const value = values.get(name) ?? ''
  if (CONTROL.test(value)) throw malformed(`${name} has a control character or more than one line`)
  return value
}

function words(value: string | undefined): string[] {
  return (value ?? '').split(/[ \t\n]+/).filter((word) => word !== '')
}

function malformed(reason: string, cause?: unknown): FreshetError {
  return new FreshetError('RELEASE_MALFORMED', `Release file: ${reason}`, {}, cause)
}
