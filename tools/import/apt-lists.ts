/**
 * `--apt-lists SUITE`: what apt has already downloaded on this machine, its lists and the .debs of its cache.
 *
 * Nothing is taken on trust because apt had it: the InRelease is verified again and every list is compared with it.
 * Keyring: the one given, else the Signed-By of the entry in sources.list, else the keyrings of the machine (keyring.ts).
 * Files of the cache are offered by name and size; their hash decides later, and one that differs is another build.
 * Source: apt-pkg URItoFileName (names of lists), pkgAcqArchive (names in the cache).
 */
import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FreshetError } from '../../schemas/errors.ts'
import { IN_RELEASE_BYTES_MAX, TOOL_MS_MAX, TOOL_OUTPUT_BYTES_MAX } from '../../schemas/limits.ts'
import type { DraftIndex, LocalArtifact, ReleaseDraft } from '../../schemas/release-draft.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { listName, mirrorsOf, signedByOf } from './apt-sources.ts'
import { type Compression, decompress, readByAptHelper } from './decompress.ts'
import { readFileBounded } from './file-tree.ts'
import { defaultKeyrings } from './keyring.ts'
import { checkIndex, type ListedIndex, readSignedRelease } from './signed-release.ts'

export interface AptListsOptions {
  readonly suite: string
  /** Where several hosts have this suite: which one, as in the error that lists them (`deb.debian.org_debian`). */
  readonly origin?: string
  /** Default: what apt-config says, else apt's usual folders. */
  readonly listsDirectory?: string
  readonly archivesDirectory?: string
  readonly keyring?: readonly Buffer[]
  readonly allowExpired?: boolean
  readonly nowMs?: number
}

const run = promisify(execFile)
const DEFAULT_LISTS = '/var/lib/apt/lists'
const DEFAULT_ARCHIVES = '/var/cache/apt/archives'
/** By suffix; null: only apt itself can read it. */
const SUFFIXES: readonly (readonly [string, Compression | null])[] = [
  ['', 'none'],
  ['.lz4', null],
  ['.gz', 'gz'],
  ['.xz', 'xz'],
  ['.zst', 'zst'],
]

/** @throws FreshetError INDEX_MISSING, INDEX_MISMATCH, USAGE (several origins), SIGNATURE_*, RELEASE_*, SOURCE_UNAVAILABLE */
export async function importAptLists(options: AptListsOptions): Promise<ReleaseDraft> {
  const found = await directories(options)
  const names = await readdir(found.lists).catch((error: unknown) => {
    throw new FreshetError('SOURCE_UNAVAILABLE', `apt's lists in ${found.lists} cannot be read`, {}, error)
  })
  const origin = chooseOrigin(names, options, found.lists)
  const base = `${origin}_dists_${listName(options.suite)}_`
  const path = join(found.lists, `${base}InRelease`)
  const inRelease = await readFileBounded(path, IN_RELEASE_BYTES_MAX, (byteLength) => {
    return new FreshetError('RELEASE_MALFORMED', `${path} has ${byteLength} bytes, more than ${IN_RELEASE_BYTES_MAX}`)
  })
  const keyring = options.keyring ?? (await signedByOf(origin, options.suite)) ?? (await defaultKeyrings())
  const trust = { keyring, nowMs: options.nowMs ?? Date.now(), allowExpired: options.allowExpired ?? false }
  const { release, listed } = await readSignedRelease(inRelease, path, trust)
  const here = new Set(names)
  const indexes: DraftIndex[] = []
  for (const index of listed) {
    const name = `${base}${listName(index.path)}`
    const suffix = SUFFIXES.find(([suffix]) => here.has(`${name}${suffix}`))
    if (suffix === undefined) continue
    indexes.push({
      path: index.path,
      bytes: await readIndex(join(found.lists, `${name}${suffix[0]}`), suffix[1], index),
    })
  }
  if (indexes.length === 0) {
    const reason = `apt has no Packages file of ${options.suite} in ${found.lists}: run apt-get update`
    throw new FreshetError('INDEX_MISSING', reason, { suite: options.suite })
  }
  return {
    suite: options.suite,
    inRelease,
    releasedAtMs: release.date,
    validUntilMs: release.validUntil,
    indexes,
    artifacts: await findInCache(indexes, found.archives),
    ownRelease: false,
    mirrors: await mirrorsOf(origin, options.suite),
    close: async () => {},
  }
}

async function directories(options: AptListsOptions): Promise<{ lists: string; archives: string }> {
  const { listsDirectory, archivesDirectory } = options
  if (listsDirectory !== undefined && archivesDirectory !== undefined) {
    return { lists: listsDirectory, archives: archivesDirectory }
  }
  const configured = await askApt()
  return {
    lists: listsDirectory ?? configured.get('lists') ?? DEFAULT_LISTS,
    archives: archivesDirectory ?? configured.get('archives') ?? DEFAULT_ARCHIVES,
  }
}

async function askApt(): Promise<Map<string, string>> {
  try {
    const args = ['shell', 'lists', 'Dir::State::lists/d', 'archives', 'Dir::Cache::archives/d']
    const { stdout } = await run('apt-config', args, { timeout: TOOL_MS_MAX, maxBuffer: TOOL_OUTPUT_BYTES_MAX })
    return new Map([...stdout.matchAll(/^(\w+)='(.*)'$/gm)].map(([, key = '', value = '']) => [key, value]))
  } catch {
    return new Map() // no apt on this machine, only its folders (a backup, another root): the defaults hold
  }
}

function chooseOrigin(names: readonly string[], { suite, origin }: AptListsOptions, lists: string): string {
  const end = `_dists_${listName(suite)}_InRelease`
  const origins = names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, -end.length))
  const chosen = origin === undefined ? origins : origins.filter((name) => name === origin || name === listName(origin))
  const [only] = chosen
  if (only === undefined) {
    const others = origins.length === 0 ? '' : ` from ${origin}, but from ${origins.join(', ')}`
    throw new FreshetError('INDEX_MISSING', `apt has no InRelease of ${suite}${others} in ${lists}`, { suite })
  }
  if (chosen.length > 1) {
    const reason = `apt has ${suite} from ${chosen.join(' and ')}: choose one with --origin`
    throw new FreshetError('USAGE', reason, { suite, origins: chosen.join(' ') })
  }
  return only
}

async function readIndex(path: string, compression: Compression | null, index: ListedIndex): Promise<Buffer> {
  // One byte more than signed is enough to see that it is too long; packed it can hardly be longer than plain.
  const plainMax = index.byteLength + 1
  const mismatch = (reason: string, cause?: unknown) => {
    return new FreshetError('INDEX_MISMATCH', `${path}: ${reason}`, { path: index.path }, cause)
  }
  try {
    if (compression === null) {
      const bytes = await readByAptHelper(path, plainMax)
      checkIndex(index, bytes, path)
      return bytes
    }
    const packedMax = plainMax + (plainMax >> 3) + 4096
    const packed = await readFileBounded(path, packedMax, (byteLength) => {
      return mismatch(`${byteLength} bytes for an index of ${index.byteLength}`)
    })
    const bytes = await decompress(compression, packed, plainMax, path)
    checkIndex(index, bytes, path)
    return bytes
  } catch (error) {
    if (error instanceof FreshetError && error.code === 'ARCHIVE_LIMIT') {
      throw mismatch(`it has more than ${index.byteLength} bytes`, error)
    }
    throw error
  }
}

async function findInCache(indexes: readonly DraftIndex[], archives: string): Promise<LocalArtifact[]> {
  const names = new Set(await readdir(archives).catch(() => [])) // no cache: an import of lists alone
  const wanted = new Map<DigestHex, { name: string; byteLength: number }>()
  for (const { path, bytes } of indexes) {
    scanPackages(bytes, path, (_, { name, version, architecture, digest, byteLength }) => {
      const file = `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`
      if (names.has(file)) wanted.set(digest, { name: file, byteLength })
    })
  }
  const artifacts: LocalArtifact[] = []
  for (const [digest, { name, byteLength }] of wanted) {
    const sourcePath = join(archives, name)
    const stats = await stat(sourcePath).catch(() => null) // removed meanwhile: then it is not here
    if (stats === null || !stats.isFile() || stats.size !== byteLength) continue
    artifacts.push({ digest, byteLength, sourcePath, copy: false, strict: false })
  }
  return artifacts
}
