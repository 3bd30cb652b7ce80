/**
 * `--deb-dir DIR`: makes a repository state out of a folder of .debs, signed by the channel's own key.
 *
 * The control paragraph of each .deb goes into Packages as it is, followed by Filename, Size and SHA256, as dpkg-scanpackages
 * does. Equal files and an equal time give equal bytes: stanzas are ordered by name, version and digest, not by path.
 * Packages of Architecture: all stand in the index of every architecture, because apt asks for its own only; where all are,
 * there is also one index for `all`, and one for this machine's architecture.
 * Filename follows Debian's pool (letter, source package, version without epoch). It is a name, not a place: the .debs stay
 * where they are and the pool is asked by digest.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareVersions } from '../../schemas/debian-version.ts'
import { FreshetError } from '../../schemas/errors.ts'
import { DEB_FILES_MAX, INDEXES_MAX } from '../../schemas/limits.ts'
import type { DraftIndex, LocalArtifact, ReleaseDraft } from '../../schemas/release-draft.ts'
import { type ListedFile, writeRelease } from '../../schemas/release-file.ts'
import { repositoryPathFault } from '../../schemas/repository-path.ts'
import { type PackageStanza, readPackageStanza, scanPackages } from '../../schemas/stanza.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { type Withdrawals, withdrawnName } from '../../schemas/withdrawal.ts'
import { malformed } from './ar-members.ts'
import { type DebFile, readDeb } from './deb-file.ts'
import { hash } from './file-hash.ts'
import { openFileTree } from './file-tree.ts'
import { machineArchitecture } from './machine-architecture.ts'

export interface DebDirOptions {
  readonly directory: string
  /** Path below dists/; the caller's default is the channel's name. */
  readonly suite: string
  /** Default `main`. */
  readonly component?: string
  /** Origin and Label of the Release file; default the suite. */
  readonly origin?: string
  /** Clear-signs the Release file with the channel's key; see openpgp.ts. */
  readonly sign: (text: string) => Promise<Buffer>
  /** Versions that are left out. Default: none. */
  readonly withdrawn?: Withdrawals
  /** Default: this machine's. For a folder with packages of Architecture: all only. */
  readonly architecture?: string
  /** The pool copies the files, because a folder of builds is cleaned; false leaves them where they are. Default true. */
  readonly copy?: boolean
  readonly onProgress?: (filesDone: number, filesTotal: number) => void
  /** Date of the Release file. */
  readonly nowMs?: number
}

/** A .deb, and what an index says of it. */
export interface PackagedDeb {
  readonly path: string
  readonly stanza: PackageStanza
  readonly text: Buffer
}

const ALL = 'all'
/** Fields that this importer adds: a .deb whose control has one would say it twice. */
const ADDED = ['filename', 'size', 'sha256', 'sha1', 'md5sum']
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/

/** @throws FreshetError INDEX_MISSING (no .deb), DEB_MALFORMED, ARCHIVE_LIMIT, VERSION_REUSE, SOURCE_UNAVAILABLE, USAGE */
export async function importDebDir(options: DebDirOptions): Promise<ReleaseDraft> {
  const { suite, component = 'main', origin = suite, copy = true, nowMs = Date.now() } = options
  for (const word of [suite, component]) {
    const fault = /\s/.test(word) ? 'has a blank' : repositoryPathFault(word)
    if (fault !== null) throw new FreshetError('USAGE', `the suite or component ${JSON.stringify(word)} ${fault}`)
  }
  const packages = await readDebFolder(options, component)
  const indexes = await writeIndexes(packages, component, options.architecture)
  const architectures = indexes.map(({ architecture }) => architecture)
  const sha256 = new Map<string, ListedFile>()
  for (const { path, bytes } of indexes) sha256.set(path, { byteLength: bytes.length, digest: hash(bytes) })
  // Dates of a Release file have whole seconds.
  const date = Math.floor(nowMs / 1000) * 1000
  const release = { suite, codename: suite, origin, label: origin, date, validUntil: null, architectures, sha256 }
  const text = writeRelease({ ...release, components: [component], description: `${origin} ${suite}` })
  return {
    suite,
    inRelease: await options.sign(text),
    releasedAtMs: date,
    validUntilMs: null,
    indexes: indexes.map(({ path, bytes }) => ({ path, bytes })),
    artifacts: packages.map((packaged) => artifactOf(packaged, copy)),
    ownRelease: true,
    close: async () => {},
  }
}

export function artifactOf({ path, stanza: { digest, byteLength } }: PackagedDeb, copy: boolean): LocalArtifact {
  return { digest, byteLength, sourcePath: path, copy, strict: true }
}

/**
 * Every .deb below a folder, in the order of an index.
 * @param component that their Filenames name. @throws as importDebDir.
 */
export async function readDebFolder(
  options: Pick<DebDirOptions, 'directory' | 'onProgress' | 'withdrawn'>,
  component: string,
): Promise<PackagedDeb[]> {
  const paths = await findDebs(options.directory)
  const byDigest = new Map<DigestHex, PackagedDeb>()
  for (const [index, path] of paths.entries()) {
    const packaged = describe(await readDeb(path), component)
    const isWithdrawn = options.withdrawn?.has(withdrawnName(packaged.stanza)) === true
    if (!isWithdrawn && !byDigest.has(packaged.stanza.digest)) byDigest.set(packaged.stanza.digest, packaged)
    options.onProgress?.(index + 1, paths.length)
  }
  const packages = [...byDigest.values()].sort((a, b) => order(a.stanza, b.stanza))
  refuseReuse(packages)
  return packages
}

/** All *.deb below `directory`, ordered by path. */
async function findDebs(directory: string): Promise<string[]> {
  const tree = await openFileTree(directory)
  const entries = await readdir(tree.root, { recursive: true, withFileTypes: true })
  const paths: string[] = []
  for (const entry of entries) {
    // Links are not followed: what is in the folder is in the list by itself, and what is outside was not offered.
    if (entry.isFile() && entry.name.endsWith('.deb')) paths.push(join(entry.parentPath, entry.name))
  }
  if (paths.length === 0) throw new FreshetError('INDEX_MISSING', `${directory} has no .deb`, { directory })
  if (paths.length > DEB_FILES_MAX) {
    throw new FreshetError('ARCHIVE_LIMIT', `${directory} has ${paths.length} .debs, more than ${DEB_FILES_MAX}`)
  }
  return paths.sort()
}

function describe(deb: DebFile, component: string): PackagedDeb {
  const { path, control, fields, byteLength, digest } = deb
  const folded = new Map([...fields].map(([name, value]) => [name.toLowerCase(), value]))
  const twice = ADDED.find((name) => folded.has(name))
  if (twice !== undefined) throw malformed(path, `its control has the field ${twice}, which belongs to an index`)
  const name = folded.get('package') ?? ''
  const version = folded.get('version') ?? ''
  const source = (folded.get('source') ?? name).replace(/\s*\(.*$/s, '')
  if (!PACKAGE_NAME.test(source)) throw malformed(path, `its source package is called ${JSON.stringify(source)}`)
  const letter = source.startsWith('lib') ? source.slice(0, 4) : source.slice(0, 1)
  const file = `${name}_${version.replace(/^[0-9]+:/, '')}_${folded.get('architecture') ?? ''}.deb`
  const filename = `pool/${component}/${letter}/${source}/${file}`
  const added = `Filename: ${filename}\nSize: ${byteLength}\nSHA256: ${digest}\n\n`
  const text = Buffer.concat([control, Buffer.from(added, 'latin1')])
  try {
    return { path, text, stanza: readPackageStanza(text, 0, text.length, 'control') }
  } catch (error) {
    throw malformed(path, error instanceof Error ? error.message : String(error), error)
  }
}

/** `packages` are in order, so packages that must differ are neighbours, but for the epoch, which a file name leaves out. */
function refuseReuse(packages: readonly PackagedDeb[]): void {
  const byFilename = new Map<string, PackagedDeb>()
  for (const packaged of packages) {
    const { name, version, architecture, filename } = packaged.stanza
    const other = byFilename.get(filename)
    byFilename.set(filename, packaged)
    if (other === undefined) continue
    const same = other.stanza.version === version
    const what = same
      ? `${name} ${version} ${architecture}`
      : `${name} ${other.stanza.version} and ${version}, one file name,`
    const detail = { name, version, architecture, first: other.path, second: packaged.path }
    throw new FreshetError('VERSION_REUSE', `${what} is two different files: ${other.path}, ${packaged.path}`, detail)
  }
}

interface ArchitectureIndex extends DraftIndex {
  readonly architecture: string
}

async function writeIndexes(
  packages: readonly PackagedDeb[],
  component: string,
  architecture: string | undefined,
): Promise<ArchitectureIndex[]> {
  const named = new Set(packages.map(({ stanza }) => stanza.architecture).filter((name) => name !== ALL))
  const architectures =
    named.size > 0 ? [...named].sort() : [...new Set([ALL, architecture ?? (await machineArchitecture())])]
  if (architectures.length > INDEXES_MAX) {
    throw new FreshetError('INDEX_TOO_LARGE', `${architectures.length} architectures, more than ${INDEXES_MAX}`)
  }
  return architectures.map((architecture) => {
    const fitting = packages.filter(({ stanza }) => [architecture, ALL].includes(stanza.architecture))
    const bytes = Buffer.concat(fitting.map(({ text }) => text))
    const path = `${component}/binary-${architecture}/Packages`
    scanPackages(bytes, path) // whatever one control said, the whole is an index that a follower will take
    return { architecture, path, bytes }
  })
}

function order(a: PackageStanza, b: PackageStanza): number {
  return (
    compareText(a.name, b.name) ||
    compareVersions(a.version, b.version) ||
    compareText(a.architecture, b.architecture) ||
    compareText(a.digest, b.digest)
  )
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
