/**
 * What the administrator said of a repository in sources.list(5), in both of its formats: its keyring (Signed-By) and its URIs.
 *
 * Reads only what the question needs: entries whose suite and URI belong to a list that apt has downloaded. Signed-By may
 * be files, a key in place, or fingerprints; fingerprints select from the machine's keyrings, which a caller uses anyway,
 * so they count as "not said" here (the importer is then as strict as the keyrings, not as the fingerprint).
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mirrorUrl } from '../../schemas/mirror-url.ts'
import { parseFields } from '../../schemas/stanza.ts'
import { loadKeyrings } from './keyring.ts'

interface SourceEntry {
  readonly uris: readonly string[]
  readonly suites: readonly string[]
  readonly signedBy: string
}

const APT_DIRECTORY = '/etc/apt'
const ONE_LINE = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/
const QUOTED = /[\\|{}[\]<>"^~_=!@#$%&*\x00-\x20\x7f-\xff]/g

/**
 * @param origin name of the list without suite: `deb.debian.org_debian`.
 * @returns the keyrings, or null when no entry says any.
 * @throws FreshetError KEYRING_INVALID, SOURCE_UNAVAILABLE for a keyring that an entry names
 */
export async function signedByOf(
  origin: string,
  suite: string,
  aptDirectory: string = APT_DIRECTORY,
): Promise<Buffer[] | null> {
  for (const entry of await readSources(aptDirectory)) {
    if (!entry.suites.includes(suite) || !entry.uris.some((uri) => listName(uri) === origin)) continue
    if (entry.signedBy.includes('-----BEGIN')) {
      return [Buffer.from(entry.signedBy.replace(/^\.$/gm, ''), 'latin1')] // an empty line is written as a dot
    }
    const paths = entry.signedBy.split(/[\s,]+/).filter((word) => word.startsWith('/'))
    if (paths.length > 0) return await loadKeyrings(paths)
  }
  return null
}

/** The http(s) URIs under which the administrator gave a repository, as far as they can name a mirror. */
export async function mirrorsOf(
  origin: string,
  suite: string,
  aptDirectory: string = APT_DIRECTORY,
): Promise<readonly string[]> {
  const entries = (await readSources(aptDirectory)).filter(({ suites }) => suites.includes(suite))
  const uris = entries.flatMap((entry) => entry.uris.filter((uri) => listName(uri) === origin))
  return [...new Set(uris.flatMap((uri) => mirrorUrl(uri) ?? []))]
}

/** Name that apt gives the lists of a URI or path: no scheme and user, odd characters escaped, slashes as underscores. */
export function listName(uri: string): string {
  const path = uri.replace(/^[a-z0-9+.-]+:(?:\/\/(?:[^/@]*@)?)?/i, '').replace(/\/+$/, '')
  return path.replace(QUOTED, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).replaceAll('/', '_')
}

async function readSources(aptDirectory: string): Promise<SourceEntry[]> {
  const parts = join(aptDirectory, 'sources.list.d')
  const names: string[] = await readdir(parts).catch(() => []) // absent where all entries are in sources.list, or without apt
  const paths = [join(aptDirectory, 'sources.list'), ...names.sort().map((name) => join(parts, name))]
  const entries: SourceEntry[] = []
  for (const path of paths) {
    const deb822 = path.endsWith('.sources')
    if (!deb822 && !path.endsWith('.list')) continue
    const text = await readFile(path, 'latin1').catch(() => '') // unreadable for this user: then it says nothing to us
    entries.push(...(deb822 ? parseDeb822(text) : parseOneLine(text)))
  }
  return entries
}

function parseOneLine(text: string): SourceEntry[] {
  return text.split('\n').flatMap((line) => {
    const [, options = '', uri, suite] = ONE_LINE.exec(line) ?? []
    if (uri === undefined || suite === undefined) return []
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? ''
    return [{ uris: [uri], suites: [suite], signedBy }]
  })
}

function parseDeb822(text: string): SourceEntry[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'))
  return lines
    .join('\n')
    .split(/\n(?:[ \t]*\n)+/)
    .flatMap((stanza) => {
      const fields = fieldsOf(stanza)
      const words = (name: string) => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '')
      if (!words('types').includes('deb')) return []
      return [{ uris: words('uris'), suites: words('suites'), signedBy: fields.get('signed-by') ?? '' }]
    })
}

function fieldsOf(stanza: string): Map<string, string> {
  try {
    const fields = parseFields(Buffer.from(stanza, 'latin1'), 'sources')
    return new Map([...fields].map(([name, value]) => [name.toLowerCase(), value]))
  } catch {
    return new Map() // apt complains about such an entry itself; it names no keyring for us
  }
}
