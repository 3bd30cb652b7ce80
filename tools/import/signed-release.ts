/**
 * From a clear-signed Release to the indexes it vouches for: verify, parse, check its dates, list its Packages files.
 *
 * Only the signed text is read. Indexes of flat repositories (no component) and of the Debian installer (udebs) are not
 * listed: no apt of an installed system asks for them.
 */
import { hash } from './file-hash.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { INDEX_BYTES_MAX, INDEXES_MAX } from '../../schemas/limits.ts'
import { type ListedFile, parseRelease, type ReleaseFile } from '../../schemas/release-file.ts'
import { verifyClearSigned } from './openpgp.ts'

export interface SignedRelease {
  readonly inRelease: Buffer
  readonly release: ReleaseFile
  readonly signers: readonly string[]
  /** In the order of the Release file. */
  readonly listed: readonly ListedIndex[]
}

export interface ListedIndex extends ListedFile {
  /** Below dists/SUITE/: `main/binary-amd64/Packages`. */
  readonly path: string
  readonly component: string
  readonly architecture: string
}

export interface TrustOptions {
  readonly keyring: readonly Buffer[]
  readonly nowMs: number
  /** Takes a Release whose Valid-Until has passed: archived snapshots. */
  readonly allowExpired: boolean
}

const PACKAGES = /^(.+)\/binary-([a-z0-9-]+)\/Packages$/
const INSTALLER = /(?:^|\/)debian-installer$/

/**
 * @param where names the file in errors.
 * @throws FreshetError SIGNATURE_*, KEYRING_INVALID, RELEASE_MALFORMED, RELEASE_EXPIRED
 */
export async function readSignedRelease(inRelease: Buffer, where: string, trust: TrustOptions): Promise<SignedRelease> {
  const { text, signers } = await verifyClearSigned(inRelease, trust.keyring, trust.nowMs).catch((error: unknown) => {
    if (!(error instanceof FreshetError)) throw error
    throw new FreshetError(error.code, `${where}: ${error.message}`, { ...error.detail, where }, error)
  })
  const release = parseRelease(text.toString('utf8'))
  if (!trust.allowExpired && release.validUntil !== null && release.validUntil < trust.nowMs) {
    const validUntil = new Date(release.validUntil).toISOString()
    throw new FreshetError('RELEASE_EXPIRED', `${where} was valid until ${validUntil}`, { where, validUntil })
  }
  return { inRelease, release, signers, listed: listIndexes(release, where) }
}

/** Some suites (bookworm-security) call their components `updates/main` and keep them below `main`. */
export function isComponent(named: string, component: string): boolean {
  return named === component || named.endsWith(`/${component}`)
}

/** @throws FreshetError INDEX_MISMATCH */
export function checkIndex(index: ListedIndex, bytes: Buffer, where: string): void {
  if (bytes.length !== index.byteLength) {
    const detail = { path: index.path, expected: index.byteLength, actual: bytes.length }
    throw new FreshetError('INDEX_MISMATCH', `${where} has ${bytes.length} bytes, not ${index.byteLength}`, detail)
  }
  const digest = hash(bytes)
  if (digest === index.digest) return
  const detail = { path: index.path, expected: index.digest, actual: digest }
  throw new FreshetError('INDEX_MISMATCH', `${where} has the SHA-256 ${digest}, not ${index.digest}`, detail)
}

function listIndexes(release: ReleaseFile, where: string): ListedIndex[] {
  const listed: ListedIndex[] = []
  for (const [path, { byteLength, digest }] of release.sha256) {
    const [, component = '', architecture = ''] = PACKAGES.exec(path) ?? []
    if (component === '' || INSTALLER.test(component)) continue
    if (byteLength > INDEX_BYTES_MAX) {
      const reason = `${path} has ${byteLength} bytes, more than ${INDEX_BYTES_MAX}`
      throw new FreshetError('INDEX_TOO_LARGE', `${where}: ${reason}`, { path, byteLength })
    }
    listed.push({ path, component, architecture, byteLength, digest })
  }
  if (listed.length > INDEXES_MAX) {
    throw new FreshetError(
      'INDEX_TOO_LARGE',
      `${where} lists ${listed.length} Packages files, more than ${INDEXES_MAX}`,
    )
  }
  return listed
}
