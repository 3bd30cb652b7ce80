/**
 * Stanzas of a Packages file: where each one starts, and the few fields that Freshet acts on, checked.
 *
 * Works on bytes. Only the structural fields (Package, Version, Architecture, Filename, Size, SHA256) are ever decoded, and
 * those are ASCII; everything else may be any bytes but NUL, in UTF-8 or not, and is kept as it is.
 * Lines are read as apt reads them: only an empty line ends a stanza (a line of blanks continues the field before it).
 * Refuses what apt would have to guess about: a field named twice, a line that is neither field nor continuation,
 * a structural field over several lines.
 * Source: Debian Policy 5.1 (syntax), 5.6.1 (names), 5.6.8 (architectures), 5.6.12 (versions).
 */
import { isVersion } from './debian-version.ts'
import { FreshetError, type ErrorCode } from './errors.ts'
import { FieldNames } from './field-names.ts'
import * as limits from './limits.ts'
import { repositoryPathFault } from './repository-path.ts'
import { type DigestHex, parseDigest } from './units.ts'

export interface PackageStanza {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Path of the .deb inside its repository, safe by schemas/repository-path.ts, as written (it may start with `./`). */
  readonly filename: string
  /** Size of the .deb. */
  readonly byteLength: number
  /** SHA-256 of the .deb. */
  readonly digest: DigestHex
}

const PACKAGE_PREFIX = Buffer.from('Package: ')
const LINE_FEED = 0x0a
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const HYPHEN = 0x2d
const HASH = 0x23

const STRUCTURAL = ['Package', 'Version', 'Architecture', 'Filename', 'Size', 'SHA256'] as const
const [PACKAGE, VERSION, ARCHITECTURE, FILENAME, SIZE, SHA256] = [0, 1, 2, 3, 4, 5] as const
const NONE = -1

const NAME_PATTERN = /^[a-z0-9][a-z0-9+.-]+$/
const ARCHITECTURE_PATTERN = /^[a-z0-9][a-z0-9-]{0,63}$/
const SIZE_PATTERN = /^(?:0|[1-9][0-9]{0,14})$/

/** For error messages: the file, the number of the stanza in it (from 1; 0: `file` says it all), where it starts. */
interface Place {
  readonly file: string
  readonly number: number
  readonly start: number
}

// Scratch of the scan in progress. Scanning is synchronous and calls nobody, so one set serves everyone.
const names = new FieldNames(limits.STANZA_FIELDS_MAX)
const valueStarts = new Int32Array(STRUCTURAL.length)
const valueEnds = new Int32Array(STRUCTURAL.length)

/**
 * Cuts a Packages file into stanzas without looking inside them.
 * @returns count + 1 offsets. Slice i is offsets[i]..offsets[i + 1] and includes the blank lines after the stanza; blank
 *   lines at the head of the file belong to slice 0. So the slices laid end to end are the file, whatever its oddities.
 *   An empty file has no slice ([0]). A file of blank lines only has one slice that holds no stanza ([0, length]):
 *   `scanPackages` passes over it, `readPackageStanza` refuses it with STANZA_NO_PACKAGE.
 * @throws FreshetError INDEX_TOO_LARGE
 */
export function splitStanzas(bytes: Buffer): Uint32Array {
  const offsets = new OffsetList(bytes)
  let at = skipBlankLines(bytes, 0)
  for (;;) {
    const gap = bytes.indexOf('\n\n', at, 'latin1')
    if (gap === -1) break
    at = skipBlankLines(bytes, gap + 1)
    if (at < bytes.length) offsets.push(at)
  }
  return offsets.finish()
}

/** Whether a slice holds no stanza: the only slice of a file of blank lines. */
export function isBlankSlice(slice: Buffer): boolean {
  return skipBlankLines(slice, 0) === slice.length
}

/**
 * Cuts like `splitStanzas`, and checks every stanza, in one pass.
 * @param path names the file in errors.
 * @param onStanza called for each stanza in order; `index` counts slices from 0.
 * @throws FreshetError for the first stanza that is bad: STANZA_*, FILENAME_UNSAFE; or INDEX_TOO_LARGE
 */
export function scanPackages(
  bytes: Buffer,
  path: string,
  onStanza?: (index: number, stanza: PackageStanza) => void,
): Uint32Array {
  const offsets = new OffsetList(bytes)
  const nulAt = bytes.indexOf(0)
  let at = 0
  for (let index = 0; at < bytes.length; index++) {
    if (index > 0) offsets.push(at)
    const place = { file: path, number: index + 1, start: at }
    const first = index === 0 ? skipBlankLines(bytes, 0) : at
    if (first === bytes.length) break
    const end = scanStanza(bytes, at, first, bytes.length, nulAt, place)
    const stanza = checkedStanza(bytes, place)
    onStanza?.(index, stanza)
    at = end
  }
  return offsets.finish()
}

/**
 * Reads and checks the one stanza in `bytes[start..end]`, blank lines around it included.
 * @param where names the stanza in errors, for example by its log block and number.
 * @throws FreshetError STANZA_*, FILENAME_UNSAFE
 */
export function readPackageStanza(bytes: Buffer, start: number, end: number, where: string): PackageStanza {
  const place = { file: where, number: 0, start }
  const slice = bytes.subarray(start, end)
  const first = skipBlankLines(slice, 0)
  const next = scanStanza(slice, 0, first, slice.length, slice.indexOf(0), place)
  if (next < slice.length) refuse('STANZA_MALFORMED', place, slice, `a second stanza begins at byte ${start + next}`)
  return checkedStanza(slice, place)
}

/**
 * Reads and checks slice `index` of a file that `splitStanzas` cut at `offsets`; errors name its place as `scanPackages` does.
 * @returns null for a slice that holds no stanza.
 * @throws FreshetError STANZA_*, FILENAME_UNSAFE
 */
export function readSlice(bytes: Buffer, offsets: Uint32Array, index: number, path: string): PackageStanza | null {
  const [start = 0, end = 0] = [offsets[index], offsets[index + 1]]
  const slice = bytes.subarray(start, end)
  const first = skipBlankLines(slice, 0)
  if (first === slice.length) return null
  const place = { file: path, number: index + 1, start }
  scanStanza(slice, 0, first, slice.length, slice.indexOf(0), place)
  return checkedStanza(slice, place)
}

/** The Package value of a stanza that begins with it, as nearly all do; null for any other. Nothing is checked. */
export function leadingName(bytes: Buffer, start = 0, end = bytes.length): string | null {
  const from = start + PACKAGE_PREFIX.length
  if (bytes.compare(PACKAGE_PREFIX, 0, PACKAGE_PREFIX.length, start, Math.min(from, end)) !== 0) return null
  return bytes.toString('latin1', from, endOfLine(bytes, from, end))
}

/**
 * Fields of one stanza, decoded as UTF-8, for display and for Release files. Keys as written, in order. A value of several
 * lines is joined with `\n`, each continuation without its first blank; blanks around each line are trimmed.
 * @throws FreshetError STANZA_MALFORMED, STANZA_FIELD_DUPLICATE
 */
export function parseFields(bytes: Buffer, where = 'stanza'): Map<string, string> {
  const fields = new Map<string, string>()
  const seen = new Set<string>()
  const place = { file: where, number: 0, start: 0 }
  const first = skipBlankLines(bytes, 0)
  if (bytes.includes(0)) refuse('STANZA_MALFORMED', place, null, `a NUL at byte ${bytes.indexOf(0)}`)
  let key = ''
  let ended = false
  for (let at = first; at < bytes.length;) {
    const lineEnd = endOfLine(bytes, at, bytes.length)
    const line = bytes.toString('utf8', at, lineEnd)
    if (line === '') ended = true
    else if (ended) refuse('STANZA_MALFORMED', place, null, `a second stanza begins at byte ${at}`)
    else if ((line.startsWith(' ') || line.startsWith('\t')) && key !== '') {
      fields.set(key, `${fields.get(key) ?? ''}\n${line.slice(1).trimEnd()}`)
    } else {
      const colon = endOfName(bytes, at, lineEnd)
      if (colon === NONE) refuse('STANZA_MALFORMED', place, null, `the line at byte ${at} is no field`)
      key = bytes.toString('latin1', at, colon)
      const folded = key.toLowerCase()
      if (seen.has(folded)) refuse('STANZA_FIELD_DUPLICATE', place, null, `field ${key} occurs twice`)
      seen.add(folded)
      fields.set(key, bytes.toString('utf8', colon + 1, lineEnd).trim())
    }
    at = lineEnd + 1
  }
  return fields
}

/** Reads the lines of one stanza from `first` on and notes where the structural values are. @returns end of its slice. */
function scanStanza(bytes: Buffer, start: number, first: number, limit: number, nulAt: number, place: Place): number {
  names.clear()
  valueStarts.fill(NONE)
  let current = NONE // structural field that a continuation line would belong to
  let at = first
  while (at < limit && bytes[at] !== LINE_FEED) {
    const head = bytes[at]
    if (head === SPACE || head === TAB) {
      if (at === first) refuse('STANZA_MALFORMED', place, bytes, 'it begins with a continuation line')
      if (current !== NONE) {
        refuse('STANZA_FIELD_INVALID', place, bytes, `field ${STRUCTURAL[current] ?? ''} has more than one line`)
      }
      at = endOfLine(bytes, at, limit) + 1
      continue
    }
    const colon = endOfName(bytes, at, limit)
    if (colon === NONE) {
      refuse('STANZA_MALFORMED', place, bytes, `the line at byte ${place.start + at - start} is no field`)
    }
    const verdict = names.add(bytes, at, colon)
    if (verdict !== 'new') refuseName(verdict, place, bytes, at, colon)
    const lineEnd = endOfLine(bytes, colon + 1, limit)
    current = structuralField(bytes, at, colon)
    if (current !== NONE) {
      valueStarts[current] = colon + 1
      valueEnds[current] = lineEnd
    }
    at = lineEnd + 1
  }
  const end = skipBlankLines(bytes, Math.min(at, limit))
  if (end - start > limits.STANZA_BYTES_MAX) {
    refuse('STANZA_TOO_LARGE', place, bytes, `it has ${end - start} bytes, more than ${limits.STANZA_BYTES_MAX}`)
  }
  if (nulAt >= start && nulAt < end) {
    refuse('STANZA_MALFORMED', place, bytes, `a NUL at byte ${place.start + nulAt - start}`)
  }
  return end
}

/** Decodes and checks the structural values that `scanStanza` has found. */
function checkedStanza(bytes: Buffer, place: Place): PackageStanza {
  const name = value(bytes, PACKAGE)
  if (name === null) refuse('STANZA_NO_PACKAGE', place, null, 'it has no Package field')
  if (name.length > limits.PACKAGE_NAME_BYTES_MAX || !NAME_PATTERN.test(name)) invalid(place, null, PACKAGE, name)
  const version = value(bytes, VERSION)
  if (version === null || !isVersion(version)) invalid(place, bytes, VERSION, version)
  const architecture = value(bytes, ARCHITECTURE)
  if (architecture === null || !ARCHITECTURE_PATTERN.test(architecture)) {
    invalid(place, bytes, ARCHITECTURE, architecture)
  }
  const filename = value(bytes, FILENAME)
  if (filename === null) invalid(place, bytes, FILENAME, filename)
  const fault = repositoryPathFault(filename)
  if (fault !== null) refuse('FILENAME_UNSAFE', place, bytes, `Filename ${shown(filename)} ${fault}`)
  const size = value(bytes, SIZE)
  const byteLength = size !== null && SIZE_PATTERN.test(size) ? Number(size) : NONE
  if (byteLength === NONE || byteLength > limits.ARTIFACT_BYTES_MAX) invalid(place, bytes, SIZE, size)
  const sha256 = value(bytes, SHA256)
  const digest = sha256 === null ? null : (parseDigest(sha256) ?? parseDigest(sha256.toLowerCase()))
  if (digest === null) invalid(place, bytes, SHA256, sha256)
  return { name, version, architecture, filename, byteLength, digest }
}

/** @returns the trimmed value as one character per byte, null when the stanza does not have the field. */
function value(bytes: Buffer, field: number): string | null {
  let start = valueStarts[field] ?? NONE
  let end = valueEnds[field] ?? NONE
  if (start === NONE) return null
  while (start < end && isBlank(bytes[start])) start++
  while (end > start && isBlank(bytes[end - 1])) end--
  return bytes.toString('latin1', start, end)
}

/** Names are told apart by length and first letter before any text is made. */
function structuralField(bytes: Buffer, start: number, end: number): number {
  const initial = (bytes[start] ?? 0) | 0x20
  switch (end - start) {
    case 4:
      return initial === 0x73 ? ifNamed(bytes, start, end, SIZE) : NONE
    case 6:
      return initial === 0x73 ? ifNamed(bytes, start, end, SHA256) : NONE
    case 7:
      if (initial === 0x70) return ifNamed(bytes, start, end, PACKAGE)
      return initial === 0x76 ? ifNamed(bytes, start, end, VERSION) : NONE
    case 8:
      return initial === 0x66 ? ifNamed(bytes, start, end, FILENAME) : NONE
    case 12:
      return initial === 0x61 ? ifNamed(bytes, start, end, ARCHITECTURE) : NONE
    default:
      return NONE
  }
}

function ifNamed(bytes: Buffer, start: number, end: number, field: number): number {
  const name = STRUCTURAL[field] ?? ''
  for (let at = start; at < end; at++) {
    const expected = name.charCodeAt(at - start)
    const actual = bytes[at] ?? 0
    if (actual !== expected && (actual ^ 0x20) !== expected) return NONE
  }
  return field
}

/** @returns position of the colon after a legal field name (Policy 5.1), NONE where there is no such name. */
function endOfName(bytes: Buffer, start: number, limit: number): number {
  const head = bytes[start] ?? 0
  if (head === HYPHEN || head === HASH || head === COLON) return NONE
  for (let at = start; at < limit; at++) {
    const byte = bytes[at] ?? 0
    if (byte === COLON) return at
    if (byte <= SPACE || byte > 0x7e) return NONE
  }
  return NONE
}

function endOfLine(bytes: Buffer, start: number, limit: number): number {
  let at = start
  while (at < limit && bytes[at] !== LINE_FEED) at++
  return at
}

function skipBlankLines(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && bytes[at] === LINE_FEED) at++
  return at
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}

function refuseName(verdict: 'duplicate' | 'full', place: Place, bytes: Buffer, start: number, end: number): never {
  if (verdict === 'full') {
    refuse('STANZA_TOO_LARGE', place, bytes, `it has more than ${limits.STANZA_FIELDS_MAX} fields`)
  }
  refuse('STANZA_FIELD_DUPLICATE', place, bytes, `field ${shown(bytes.toString('latin1', start, end))} occurs twice`)
}

function invalid(place: Place, bytes: Buffer | null, field: number, text: string | null): never {
  const name = STRUCTURAL[field] ?? ''
  refuse('STANZA_FIELD_INVALID', place, bytes, text === null ? `it has no ${name} field` : `${name} is ${shown(text)}`)
}

/** `bytes` is given where a Package value that was found so far should be named. */
function refuse(code: ErrorCode, place: Place, bytes: Buffer | null, reason: string): never {
  const name = bytes === null ? null : value(bytes, PACKAGE)
  const known = name !== null && name.length <= limits.PACKAGE_NAME_BYTES_MAX && NAME_PATTERN.test(name) ? name : null
  const stanza = place.number === 0 ? '' : ` stanza ${place.number}`
  const at = `${place.file}${stanza} at byte ${place.start}${known === null ? '' : ` (${known})`}`
  const detail = { file: place.file, stanza: place.number, byteOffset: place.start, package: known }
  throw new FreshetError(code, `${at}: ${reason}`, detail)
}

/** Bytes from outside for a message: quoted, escaped, cut. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text).replace(/[^\x20-\x7e]/g, '?')
}

/** Grows by doubling, so that the common file is not charged for the bound. */
class OffsetList {
  #offsets = new Uint32Array(1024)
  #count = 1
  readonly #byteLength: number

  constructor(bytes: Buffer) {
    this.#byteLength = bytes.length
    if (bytes.length > limits.INDEX_BYTES_MAX) {
      throw new FreshetError(
        'INDEX_TOO_LARGE',
        `an index of ${bytes.length} bytes, more than ${limits.INDEX_BYTES_MAX}`,
      )
    }
  }

  push(offset: number): void {
    if (this.#count > limits.STANZAS_MAX) {
      throw new FreshetError('INDEX_TOO_LARGE', `an index of more than ${limits.STANZAS_MAX} stanzas`)
    }
    if (this.#count + 1 >= this.#offsets.length) {
      const grown = new Uint32Array(this.#offsets.length * 2)
      grown.set(this.#offsets)
      this.#offsets = grown
    }
    this.#offsets[this.#count++] = offset
  }

  /** The end of the file is the last offset; an empty file has only the 0 that everything begins with. */
  finish(): Uint32Array {
    if (this.#byteLength === 0) return new Uint32Array(1)
    this.#offsets[this.#count] = this.#byteLength
    return this.#offsets.slice(0, this.#count + 1)
  }
}
