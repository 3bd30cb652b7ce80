/**
 * A snapshot that can be served: the verbatim signed index, the rebuilt index files that it vouches for, and look-ups.
 *
 * `Snapshot.open` is the gate between the log and everybody else: each index must stand in the signed InRelease with the same
 * size and SHA-256, and its file must have that SHA-256. apt checks the same again; nothing that apt would refuse is served.
 */
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'
import { stanzaCount } from '../schemas/edit-script.ts'
import { expectEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { IN_RELEASE_BYTES_MAX } from '../schemas/limits.ts'
import { clearText } from '../schemas/clear-text.ts'
import { parseRelease } from '../schemas/release-file.ts'
import { Catalogue } from './catalogue.ts'
import type { FoundStanza } from './catalogue.ts'
import type { PlannedIndex, ReleaseSummary, SnapshotPlan } from './history.ts'
import type { IndexFiles } from './index-files.ts'
import type { ReleaseLog } from './release-log.ts'

const unpack = promisify(brotliDecompress)

export interface SnapshotIndex extends PlannedIndex {
  /** Where the rebuilt file lies. */
  readonly filePath: string
}

export interface SnapshotProgress {
  readonly path: string
  readonly done: number
  readonly total: number
}

export class Snapshot {
  readonly release: ReleaseSummary
  readonly inRelease: Buffer
  readonly indexes: readonly SnapshotIndex[]
  #catalogues: Promise<Catalogue[]> | null = null
  /** End the retention of the index files. */
  readonly #releases: readonly (() => void)[]

  private constructor(
    release: ReleaseSummary,
    inRelease: Buffer,
    indexes: readonly SnapshotIndex[],
    releases: readonly (() => void)[],
  ) {
    this.release = release
    this.inRelease = inRelease
    this.indexes = indexes
    this.#releases = releases
  }

  /** @throws FreshetError SNAPSHOT_MISMATCH, EVENT_INVALID, NO_PEERS, DISK_FULL. */
  static async open(
    log: ReleaseLog,
    files: IndexFiles,
    plan: SnapshotPlan,
    onProgress: (progress: SnapshotProgress) => void = () => {},
  ): Promise<Snapshot> {
    const inRelease = await readSignedIndex(log, plan.release.signedIndexBlock)
    const signed = parseRelease(clearText(inRelease).toString()).sha256
    for (const { path, byteLength, digest } of plan.indexes) {
      const promised = signed.get(path)
      if (promised?.digest === digest && promised.byteLength === byteLength) continue
      const message = `${path} is not the file that the signed InRelease names`
      throw new FreshetError('SNAPSHOT_MISMATCH', message, { path, release: plan.release.number })
    }
    const releases = plan.indexes.map(({ digest }) => files.retain(digest))
    try {
      const indexes: SnapshotIndex[] = []
      for (const index of plan.indexes) {
        const report = (done: number, total: number): void => onProgress({ path: index.path, done, total })
        indexes.push({ ...index, filePath: await files.ensure(log, index, report) })
      }
      return new Snapshot(plan.release, inRelease, indexes, releases)
    } catch (error) {
      for (const release of releases) release()
      throw error
    }
  }

  /** Stanzas called `name`, in index order; identical ones of several indexes (Architecture: all) once. */
  async byName(name: string): Promise<FoundStanza[]> {
    const found = new Map<string, FoundStanza>()
    for (const catalogue of await this.catalogues()) {
      for (const stanza of await catalogue.byName(name)) {
        const identity = `${stanza.version} ${stanza.architecture} ${stanza.digest}`
        if (!found.has(identity)) found.set(identity, stanza)
      }
    }
    return [...found.values()]
  }

  /** The package whose Filename is this path relative to the repository root. */
  async byFilename(filename: string): Promise<FoundStanza | null> {
    for (const catalogue of await this.catalogues()) {
      const found = await catalogue.byFilename(filename)
      if (found !== null) return found
    }
    return null
  }

  /** Stanzas over all indexes. */
  get packageCount(): number {
    return this.indexes.reduce((sum, { runs }) => sum + stanzaCount(runs), 0)
  }

  /** Call once. */
  async close(): Promise<void> {
    for (const release of this.#releases) release()
    for (const catalogue of (await this.#catalogues?.catch(() => null)) ?? []) await catalogue.close()
  }

  /** Scanned on first use: a follower that only mirrors never pays for it. */
  async catalogues(): Promise<Catalogue[]> {
    this.#catalogues ??= this.#openCatalogues()
    return this.#catalogues
  }

  /** One after the other: each has its whole file in memory while it is scanned. When one fails the next call tries again. */
  async #openCatalogues(): Promise<Catalogue[]> {
    const opened: Catalogue[] = []
    try {
      for (const { path, filePath } of this.indexes) opened.push(await Catalogue.open(path, filePath))
      return opened
    } catch (error) {
      this.#catalogues = null
      for (const catalogue of opened) await catalogue.close()
      throw error
    }
  }
}

async function readSignedIndex(log: ReleaseLog, block: number): Promise<Buffer> {
  const { byteLength, compressed } = expectEvent('signedIndex', await log.event(block), block)
  if (byteLength > IN_RELEASE_BYTES_MAX) {
    throw new FreshetError('EVENT_INVALID', `block ${block} declares an InRelease of ${byteLength} bytes`, { block })
  }
  try {
    const inRelease = await unpack(compressed, { maxOutputLength: Math.max(byteLength, 1) })
    if (inRelease.byteLength === byteLength) return inRelease
  } catch (error) {
    throw new FreshetError('EVENT_INVALID', `block ${block} does not unpack`, { block }, error)
  }
  throw new FreshetError('EVENT_INVALID', `block ${block} unpacks to another size`, { block })
}
