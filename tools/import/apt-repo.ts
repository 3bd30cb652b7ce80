/**
 * `--apt-repo URL|DIR --suite S`: a repository as its distribution publishes it, from a directory or over http(s).
 *
 * Takes every component and architecture that the Release lists and the repository has, or the ones that were named; one
 * that was named and is not there is an error. Files are asked for by hash where the Release offers that, because then a
 * mirror in the middle of a sync still answers with the right ones.
 * Bytes: a directory's pool stays in place; from a URL what is not here yet is downloaded, up to a bound.
 * Source: the repository format page of the Debian wiki.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { FreshetError } from '../../schemas/errors.ts'
import { IMPORT_BYTES_MAX, IN_RELEASE_BYTES_MAX } from '../../schemas/limits.ts'
import { mirrorUrl } from '../../schemas/mirror-url.ts'
import type { DraftIndex, LocalArtifact, ReleaseDraft } from '../../schemas/release-draft.ts'
import type { ListedFile } from '../../schemas/release-file.ts'
import { repositoryPathFault } from '../../schemas/repository-path.ts'
import { scanPackages } from '../../schemas/stanza.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { type Compression, decompress } from './decompress.ts'
import { downloadArtifacts } from './download-artifacts.ts'
import { hash } from './file-hash.ts'
import type { FileTree } from './file-tree.ts'
import { defaultKeyrings } from './keyring.ts'
import { openRepository, type Repository } from './repository.ts'
import { checkIndex, isComponent, type ListedIndex, readSignedRelease, type SignedRelease } from './signed-release.ts'

export interface AptRepoOptions {
  /** A directory, or a URL with the scheme file, http or https; the folder that holds dists/. */
  readonly location: string
  readonly suite: string
  /** Default: all that the Release lists and the repository has. */
  readonly components?: readonly string[]
  readonly architectures?: readonly string[]
  readonly keyring?: readonly Buffer[]
  readonly allowExpired?: boolean
  /** Nothing is downloaded but the indexes, and no file of a directory is looked for. */
  readonly metadataOnly?: boolean
  /** Downloads of packages in all; default IMPORT_BYTES_MAX. */
  readonly bytesMax?: number
  readonly alreadyHave?: (digest: DigestHex) => boolean | Promise<boolean>
  /** Downloads go into a new folder in here, which the draft's `close` removes. Best on the disk of the pool. */
  readonly temporaryDirectory?: string
  /** Bytes of packages. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void
  readonly signal?: AbortSignal
  readonly nowMs?: number
  /** Silence of a server that ends a transfer; default IMPORT_STALL_MS_MAX. */
  readonly stallMsMax?: number
}

interface PoolFile {
  readonly filename: string
  readonly byteLength: number
}

const PACKED: readonly (readonly [string, Compression])[] = [
  ['.xz', 'xz'],
  ['.gz', 'gz'],
]
const PLAIN = ['', 'none'] as const

/**
 * @throws FreshetError SOURCE_UNAVAILABLE, INDEX_MISSING, INDEX_MISMATCH, FILENAME_UNSAFE, IMPORT_TOO_LARGE,
 *   ARTIFACT_MISMATCH, SIGNATURE_*, RELEASE_*, STANZA_*
 */
export async function importAptRepo(options: AptRepoOptions): Promise<ReleaseDraft> {
  const { suite } = options
  const fault = repositoryPathFault(suite)
  if (fault !== null) throw new FreshetError('USAGE', `the suite ${JSON.stringify(suite)} ${fault}`, { suite })
  const repository = await openRepository(options.location, options.signal, options.stallMsMax)
  const path = `dists/${suite}/InRelease`
  const inRelease = await repository.read(path, IN_RELEASE_BYTES_MAX)
  if (inRelease === null) {
    throw new FreshetError('SOURCE_UNAVAILABLE', `${repository.name} has no ${path}`, {
      location: repository.name,
      suite,
    })
  }
  const keyring = options.keyring ?? (await defaultKeyrings())
  const trust = { keyring, nowMs: options.nowMs ?? Date.now(), allowExpired: options.allowExpired ?? false }
  const signed = await readSignedRelease(inRelease, `${repository.name} ${suite}`, trust)
  const indexes = await readIndexes(repository, suite, signed, options)
  const local = await acquireBytes(repository, indexes, options)
  return {
    suite,
    inRelease,
    releasedAtMs: signed.release.date,
    validUntilMs: signed.release.validUntil,
    indexes,
    artifacts: local.artifacts,
    ownRelease: false,
    mirrors: [mirrorUrl(options.location) ?? []].flat(),
    close: async () => await local.close(),
  }
}

async function readIndexes(
  repository: Repository,
  suite: string,
  signed: SignedRelease,
  { components, architectures }: AptRepoOptions,
): Promise<DraftIndex[]> {
  const asked = signed.listed.filter(
    ({ component, architecture }) =>
      (components ?? signed.release.components).some((named) => isComponent(named, component)) &&
      (architectures === undefined || architectures.includes(architecture)),
  )
  const indexes: DraftIndex[] = []
  const present: ListedIndex[] = []
  for (const index of asked) {
    const bytes = await readIndex(repository, suite, signed, index)
    if (bytes === null) continue
    indexes.push({ path: index.path, bytes })
    present.push(index)
  }
  const missing = [
    ...(components ?? []).filter((named) => !present.some(({ component }) => isComponent(named, component))),
    ...(architectures ?? []).filter((named) => !present.some(({ architecture }) => architecture === named)),
  ]
  if (missing.length > 0 || indexes.length === 0) {
    const what =
      missing.length > 0 ? `a Packages file for ${missing.join(', ')}` : 'any Packages file that its Release lists'
    const reason = `${repository.name} does not have ${what} in ${suite}`
    throw new FreshetError('INDEX_MISSING', reason, { suite, missing: missing.join(' ') })
  }
  return indexes
}

/** @returns null when the repository has it in no form; a form that differs from its hash is passed over for the next. */
async function readIndex(
  repository: Repository,
  suite: string,
  { release }: SignedRelease,
  index: ListedIndex,
): Promise<Buffer | null> {
  const forms = repository.prefersPacked ? [...PACKED, PLAIN] : [PLAIN, ...PACKED]
  let mismatch: FreshetError | null = null
  for (const [suffix, compression] of forms) {
    const listed = release.sha256.get(`${index.path}${suffix}`)
    if (listed === undefined) continue
    const path = `${index.path}${suffix}`
    try {
      const packed = await readListed(repository, `dists/${suite}`, path, listed, release.acquireByHash)
      if (packed === null) continue
      const bytes = await decompress(compression, packed, index.byteLength + 1, `${repository.name} ${path}`)
      checkIndex(index, bytes, `${repository.name} ${path}`)
      return bytes
    } catch (error) {
      if (!(error instanceof FreshetError) || error.code === 'INTERRUPTED' || error.code === 'FILENAME_UNSAFE')
        throw error
      mismatch ??= error.code === 'ARCHIVE_LIMIT' ? new FreshetError('INDEX_MISMATCH', error.message, {}, error) : error
    }
  }
  if (mismatch !== null) throw mismatch
  return null
}

async function readListed(
  repository: Repository,
  dists: string,
  path: string,
  { digest, byteLength }: ListedFile,
  byHash: boolean,
): Promise<Buffer | null> {
  const places = [...(byHash ? [`${dirname(path)}/by-hash/SHA256/${digest}`] : []), path]
  let mismatch: FreshetError | null = null
  for (const place of places) {
    const bytes = await repository.read(`${dists}/${place}`, byteLength).catch((error: unknown) => {
      if (error instanceof FreshetError && error.detail['byteLengthMax'] !== undefined) return Buffer.alloc(0)
      throw error
    })
    if (bytes === null) continue
    if (bytes.length === byteLength && hash(bytes) === digest) return bytes
    const reason = `${repository.name} ${place} is not the file of ${byteLength} bytes that its Release signs`
    mismatch = new FreshetError('INDEX_MISMATCH', reason, { path: place, expected: digest })
  }
  if (mismatch !== null) throw mismatch
  return null
}

interface AcquiredBytes {
  readonly artifacts: readonly LocalArtifact[]
  close(): Promise<void>
}

async function acquireBytes(
  repository: Repository,
  indexes: readonly DraftIndex[],
  options: AptRepoOptions,
): Promise<AcquiredBytes> {
  const files = new Map<DigestHex, PoolFile>()
  for (const { path, bytes } of indexes) {
    scanPackages(bytes, path, (_, { digest, filename, byteLength }) => {
      const before = files.get(digest)
      if (before === undefined) files.set(digest, { filename, byteLength })
      else if (before.byteLength !== byteLength) {
        const reason = `${path}: ${filename} and ${before.filename} have one SHA-256 and two sizes`
        throw new FreshetError('ARTIFACT_MISMATCH', reason, { digest })
      }
    })
  }
  const nothing = { artifacts: [], close: async () => {} }
  if (options.metadataOnly === true) return nothing
  for (const digest of files.keys()) if ((await options.alreadyHave?.(digest)) === true) files.delete(digest)
  if (repository.tree !== null) return { ...nothing, artifacts: await findInPool(repository.tree, files) }
  if (files.size === 0) return nothing
  const wanted = [...files].map(([digest, { filename, byteLength }]) => {
    return { digest, byteLength, url: repository.url(filename.replace(/^\.\//, '')) }
  })
  const directory = await mkdtemp(join(options.temporaryDirectory ?? tmpdir(), 'import-'))
  const close = async (): Promise<void> => await rm(directory, { recursive: true, force: true })
  try {
    const { bytesMax = IMPORT_BYTES_MAX, onProgress, signal, stallMsMax } = options
    const artifacts = await downloadArtifacts(wanted, { directory, bytesMax, onProgress, signal, stallMsMax })
    return { artifacts, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A pool may be partial: a file that is not there is not offered. One of another size is not the file that was signed. */
async function findInPool(tree: FileTree, files: ReadonlyMap<DigestHex, PoolFile>): Promise<LocalArtifact[]> {
  const artifacts: LocalArtifact[] = []
  for (const [digest, { filename, byteLength }] of files) {
    const found = await tree.find(filename.replace(/^\.\//, ''))
    if (found === null) continue
    if (found.byteLength !== byteLength) {
      const reason = `${found.realPath} has ${found.byteLength} bytes, not ${byteLength}`
      throw new FreshetError('ARTIFACT_MISMATCH', reason, { path: found.realPath, digest })
    }
    artifacts.push({ digest, byteLength, sourcePath: found.realPath, copy: false, strict: true })
  }
  return artifacts
}
