/**
 * A snapshot that can be served: the verbatim signed index, the rebuilt index files that it vouches for, and look-ups.
 *
 * `Snapshot.open` is the gate between the log and everybody else: each index must stand in the signed InRelease with the same
 * size and SHA-256, and its file must have that SHA-256. apt checks the same again; nothing that apt would refuse is served.
 */
import { stanzaCount } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { expectEvent } from '../schemas/events.ts'
import { FreshetError } from '../schemas/errors.ts'
import { IN_RELEASE_BYTES_MAX } from '../schemas/limits.ts'
import { clearText } from '../schemas/clear-text.ts'
import { parseRelease } from '../schemas/release-file.ts'
import { unpack } from './brotli.ts'
import { Catalogue } from './catalogue.ts'
import type { FoundStanza } from './catalogue.ts'
import type { PlannedIndex, ReleaseSummary, SnapshotPlan } from './release-block.ts'
import type { IndexFiles } from './index-files.ts'
import type { ReleaseLog } from './release-log.ts'

export interface SnapshotIndex extends PlannedIndex {
  /** Where the rebuilt file lies. */
  readonly filePath: string
}

export interface PlacedStanza extends FoundStanza {
  /** Block of the log that holds it. */
  readonly block: number
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
        indexes.push({ ...index, filePath: await files.ensure(log, index, report, plan.gatherings) })
      }
      return new Snapshot(plan.release, inRelease, indexes, releases)
    } catch (error) {
      for (const release of releases) release()
      throw error
    }
  }

  /** Stanzas called `name`, in index order; identical ones of several indexes (Architecture: all) once. */
  async byName(name: string): Promise<PlacedStanza[]> {
    const found = new Map<string, PlacedStanza>()
    for (const [i, catalogue] of (await this.catalogues()).entries()) {
      for (const stanza of await catalogue.byName(name)) {
        const identity = `${stanza.version} ${stanza.architecture} ${stanza.digest}`
        if (!found.has(identity)) found.set(identity, this.#placed(i, stanza))
      }
    }
    return [...found.values()]
  }

  /** The package whose Filename is this path relative to the repository root. */
  async byFilename(filename: string): Promise<PlacedStanza | null> {
    for (const [i, catalogue] of (await this.catalogues()).entries()) {
      const found = await catalogue.byFilename(filename)
      if (found !== null) return this.#placed(i, found)
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

  #placed(index: number, stanza: FoundStanza): PlacedStanza {
    return { ...stanza, block: blockAt((this.indexes[index] as SnapshotIndex).runs, stanza.ordinal) }
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

function blockAt(runs: readonly Run[], ordinal: number): number {
  let end = 0
  for (const { block, count } of runs) {
    end += count
    if (ordinal < end) return block
  }
  throw new FreshetError('INTERNAL', `stanza ${ordinal} is in no run of its index`)
}

/** @throws FreshetError EVENT_INVALID, NO_PEERS. */
export async function readSignedIndex(log: ReleaseLog, block: number): Promise<Buffer> {
  const { byteLength, compressed } = expectEvent('signedIndex', await log.event(block), block)
  return unpack({ block, byteLengthMax: IN_RELEASE_BYTES_MAX }, compressed, byteLength)
}
