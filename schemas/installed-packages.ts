/**
 * What dpkg's status file says is installed.
 *
 * A package whose files are there counts, configured or not; one of which only configuration is left does not. A stanza that
 * does not say what it is about is passed over, as are fields that nothing here acts on.
 * Source: dpkg(1), "Information about packages".
 */
import { isVersion } from './debian-version.ts'
import { FreshetError } from './errors.ts'
import { STATUS_BYTES_MAX } from './limits.ts'
import { parseFields, splitStanzas } from './stanza.ts'

export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly architecture: string
  /** Somebody asked dpkg to leave it as it is. */
  readonly held: boolean
  /** Of its stanza in the file. */
  readonly start: number
  readonly end: number
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
export function readInstalled(bytes: Buffer, path: string): InstalledPackage[] {
  if (bytes.byteLength > STATUS_BYTES_MAX) {
    throw new FreshetError('STATUS_INVALID', `${path} has ${bytes.byteLength} bytes, more than ${STATUS_BYTES_MAX}`)
  }
  const offsets = splitStanzas(bytes)
  const installed: InstalledPackage[] = []
  for (let i = 0; i + 1 < offsets.length; i++) {
    const [start = 0, end = 0] = [offsets[i], offsets[i + 1]]
    const fields = fieldsOf(bytes.subarray(start, end), path, i)
    const [want = '', , state = ''] = (fields.get('Status') ?? '').split(' ')
    const [name, version, architecture] = ['Package', 'Version', 'Architecture'].map((field) => fields.get(field))
    if (!PRESENT.has(state) || name === undefined || version === undefined || architecture === undefined) continue
    if (!isVersion(version)) throw new FreshetError('STATUS_INVALID', `${path}: the version of ${name} is malformed`)
    installed.push({ name, version, architecture, held: want === 'hold', start, end })
  }
  return installed
}

function fieldsOf(stanza: Buffer, path: string, index: number): Map<string, string> {
  try {
    return parseFields(stanza, `${path} stanza ${index + 1}`)
  } catch (error) {
    throw new FreshetError('STATUS_INVALID', (error as Error).message, { file: path, stanza: index + 1 }, error)
  }
}
