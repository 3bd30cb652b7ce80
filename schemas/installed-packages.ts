/**
 * What dpkg's status file says is installed.
 *
 * A package whose files are there counts, configured or not; one of which only configuration is left does not. The file is taken
 * whole or not at all: a machine that is taken to have less than it has would not be told what it should know, and would be given
 * plans that break it. Fields that nothing here acts on are passed over, whatever stands in them.
 * Source: dpkg(1), "Package states": the last word of Status is the state, the first what somebody wants.
 */
import { isVersion } from './debian-version.ts'
import { asFreshetError, FreshetError } from './errors.ts'
import { STATUS_BYTES_MAX, STATUS_PACKAGES_MAX } from './limits.ts'
import { readPackageRelations } from './package-relations.ts'
import type { PackageRelations } from './package-relations.ts'
import type { RelationParser } from './relation.ts'
import { isBlankSlice, parseFields, splitStanzas } from './stanza.ts'

export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Somebody asked dpkg to leave it as it is. */
  readonly held: boolean
  readonly relations: PackageRelations
}

/** States in which the files of a package are there. */
const PRESENT: ReadonlySet<string> = new Set([
  'installed',
  'unpacked',
  'half-configured',
  'triggers-awaited',
  'triggers-pending',
])

/**
 * @param path names the file in errors.
 * @throws FreshetError STATUS_INVALID
 */
export function readInstalled(bytes: Buffer, path: string, parser: RelationParser): InstalledPackage[] {
  if (bytes.byteLength > STATUS_BYTES_MAX) {
    throw statusInvalid(path, `it has ${bytes.byteLength} bytes, more than ${STATUS_BYTES_MAX}`)
  }
  const offsets = splitStanzas(bytes)
  const installed: InstalledPackage[] = []
  for (let i = 0; i + 1 < offsets.length; i++) {
    const [start = 0, end = 0] = [offsets[i], offsets[i + 1]]
    const stanza = bytes.subarray(start, end)
    const found = isBlankSlice(stanza) ? null : readStanza(stanza, path, i + 1)
    if (found === null) continue
    if (installed.length >= STATUS_PACKAGES_MAX) {
      throw statusInvalid(path, `more than ${STATUS_PACKAGES_MAX} packages are installed`)
    }
    installed.push({ ...found, relations: readPackageRelations(bytes, start, end, parser, found.name) })
  }
  return installed
}

/** @returns null for a package that is not there. */
function readStanza(stanza: Buffer, path: string, number: number): Omit<InstalledPackage, 'relations'> | null {
  const fields = fieldsOf(stanza, path, number)
  const required = (field: string): string => {
    const value = fields.get(field) ?? ''
    if (value !== '') return value
    throw statusInvalid(path, `stanza ${number}, of ${fields.get('Package') ?? 'no package'}, has no ${field}`)
  }
  const name = required('Package')
  const [want = '', , state = ''] = required('Status').split(/ +/)
  if (!PRESENT.has(state)) return null
  const version = required('Version')
  if (!isVersion(version)) throw statusInvalid(path, `the version of ${name} is malformed`)
  return { name, version, architecture: required('Architecture'), held: want === 'hold' }
}

function fieldsOf(stanza: Buffer, path: string, number: number): Map<string, string> {
  try {
    return parseFields(stanza, `stanza ${number}`)
  } catch (error) {
    throw statusInvalid(path, asFreshetError(error).message)
  }
}

/** @param reason may quote the file. */
export function statusInvalid(path: string, reason: string): FreshetError {
  return new FreshetError('STATUS_INVALID', `${path}: ${JSON.stringify(reason.slice(0, 200))}`, { path })
}
