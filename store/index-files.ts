/**
 * Rebuilt index files on disk, by SHA-256: `indexes/<digest>`. Derived from the log; safe to delete.
 *
 * Rebuilding copies what the file of the release before has and takes the rest from the log (assemble-index.ts), from copies
 * where it is spread over many blocks (through-copies.ts). Size and SHA-256
 * are checked before the file gets its name: a file that is there is the right one.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FreshetError } from '../schemas/errors.ts'
import { INDEX_FILES_IDLE_BYTES_MAX, INDEX_FILES_IDLE_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import { digestHex, parseDigest } from '../schemas/units.ts'
import { stanzaCount } from '../schemas/edit-script.ts'
import { splitStanzas } from '../schemas/stanza.ts'
import { assembleIndex, type FileBefore } from './assemble-index.ts'
import { writeDurably } from './durable.ts'
import { requireSpace } from './free-space.ts'
import type { PlannedIndex } from './release-block.ts'
import { blocksToRead, type FoundRun, PlacedStanzas } from './placed-stanzas.ts'
import type { ReleaseLog } from './release-log.ts'
import { isFaultOfCopies, throughCopies } from './through-copies.ts'

/** Reading the file before costs as much as unpacking half of the blocks of a suite. */
const BLOCKS_SAVED = 0.5

/** A file that has most of another one. */
interface NearFile {
  readonly before: FileBefore
  /** Runs of the other, with their place in this. */
  readonly found: readonly FoundRun[]
}

export class IndexFiles {
  readonly #directory: string
  /** One rebuild per file, whoever asks. */
  readonly #building = new Map<DigestHex, Promise<string>>()
  /** Files that an open snapshot serves, with the number of snapshots: never removed. */
  readonly #retained = new Map<DigestHex, number>()
  /** The newest file made of each index of each log: most of the next one stands in it. */
  readonly #newest = new Map<string, PlannedIndex>()
  readonly #idleBytesMax: number

  private constructor(directory: string, idleBytesMax: number) {
    this.#directory = directory
    this.#idleBytesMax = idleBytesMax
  }

  static async open(directory: string, idleBytesMax: number = INDEX_FILES_IDLE_BYTES_MAX): Promise<IndexFiles> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(directory)) {
      if (parseDigest(name) === null) await rm(join(directory, name), { force: true }) // left by a crash
    }
    return new IndexFiles(directory, idleBytesMax)
  }

  /** @returns the path of the file, or null when it has not been rebuilt yet. */
  held(digest: DigestHex): string | null {
    const path = join(this.#directory, digest)
    return existsSync(path) ? path : null
  }

  /**
   * @param gatherings of the snapshot: copies of its stanzas, for whoever has little of them.
   * @returns the path of the rebuilt file.
   * @throws FreshetError SNAPSHOT_MISMATCH when the log does not give the file it promised; NO_PEERS; DISK_FULL.
   */
  async ensure(
    log: ReleaseLog,
    index: PlannedIndex,
    onProgress: (done: number, total: number) => void = () => {},
    gatherings: readonly number[] = [],
  ): Promise<string> {
    const held = this.held(index.digest)
    if (held !== null) return this.#made(log, index)
    const running = this.#building.get(index.digest)
    if (running !== undefined) return running
    const building = this.#rebuild(log, index, gatherings, onProgress).finally(() =>
      this.#building.delete(index.digest),
    )
    this.#building.set(index.digest, building)
    return building
  }

  async #rebuild(
    log: ReleaseLog,
    index: PlannedIndex,
    gatherings: readonly number[],
    onProgress: (done: number, total: number) => void,
  ): Promise<string> {
    const near = await this.#near(log, index)
    const found = near?.found ?? index.runs
    const before = near?.before ?? null
    const through = await throughCopies(log, gatherings, found)
    const assemble = async (runs: readonly FoundRun[]): Promise<string> => {
      await this.store(index.digest, await assembleIndex(log, index, runs, { before, onProgress }))
      return this.#made(log, index)
    }
    // Copies may be wrong, or nobody may have them; the file before may be damaged, or cut elsewhere than the log says.
    const ifCopiesHold = nullIf((error) => isMismatch(error) || isFaultOfCopies(error))
    const made =
      (through === found ? null : await assemble(through).catch(ifCopiesHold)) ??
      (before === null ? null : await assemble(found).catch(nullIf(isMismatch)))
    return made ?? assemble(index.runs) // the log itself decides
  }

  #made({ key }: ReleaseLog, index: PlannedIndex): string {
    this.#newest.set(`${key} ${index.path}`, index)
    return join(this.#directory, index.digest)
  }

  /** The newest file that was made of this index, where it saves reading most blocks. */
  async #near({ key }: ReleaseLog, { path, runs }: PlannedIndex): Promise<NearFile | null> {
    const newest = this.#newest.get(`${key} ${path}`)
    const held = newest === undefined ? null : this.held(newest.digest)
    if (newest === undefined || held === null) return null
    const found = new PlacedStanzas(newest.runs).find(runs)
    if (blocksToRead(found).size > BLOCKS_SAVED * blocksToRead(runs).size) return null
    const bytes = await readFile(held).catch(() => null) // unreadable or gone: the log has it all
    if (bytes === null) return null
    const offsets = splitStanzas(bytes)
    // A publisher may cut its text elsewhere than we do.
    return offsets.length - 1 === stanzaCount(newest.runs) ? { found, before: { bytes, offsets } } : null
  }

  /** Keeps texts that are known to have this digest, end to end (the publisher has just read them). */
  async store(digest: DigestHex, ...texts: readonly Buffer[]): Promise<void> {
    const path = join(this.#directory, digest)
    const byteLength = texts.reduce((sum, text) => sum + text.byteLength, 0)
    await requireSpace(this.#directory, byteLength, path)
    await writeDurably(path, ...texts)
    await this.#prune(digest)
  }

  /** Keeps a text that was made of stanzas and is no index of a release; it goes as idle files go. @returns its path. */
  async keep(text: Buffer): Promise<string> {
    const digest = digestHex(createHash('sha256').update(text).digest())
    if (this.held(digest) === null) await this.store(digest, text)
    return join(this.#directory, digest)
  }

  /** An open snapshot serves this file. @returns what ends that; call it once. */
  retain(digest: DigestHex): () => void {
    this.#retained.set(digest, (this.#retained.get(digest) ?? 0) + 1)
    return () => {
      const left = (this.#retained.get(digest) ?? 1) - 1
      if (left === 0) this.#retained.delete(digest)
      else this.#retained.set(digest, left)
    }
  }

  /** The oldest go first: by when they were made, because many file systems do not note when a file is read. */
  async #prune(keep: DigestHex): Promise<void> {
    const digests = (await readdir(this.#directory)).map(parseDigest).filter((digest) => digest !== null)
    const idle: { path: string; atMs: number; byteLength: number }[] = []
    for (const digest of digests) {
      if (digest === keep || this.#retained.has(digest)) continue
      const path = join(this.#directory, digest)
      const stats = await stat(path).catch(() => null) // another prune was here first
      if (stats !== null) idle.push({ path, atMs: stats.mtimeMs, byteLength: stats.size })
    }
    let [count, bytes] = [0, 0]
    for (const { path, byteLength } of idle.sort((a, b) => b.atMs - a.atMs)) {
      count++
      bytes += byteLength
      if (count > INDEX_FILES_IDLE_MAX || bytes > this.#idleBytesMax) await rm(path, { force: true })
    }
  }
}

function isMismatch(error: unknown): boolean {
  return error instanceof FreshetError && error.code === 'SNAPSHOT_MISMATCH'
}

/** Null for an error that leaves another way to go. */
function nullIf(leavesAnotherWay: (error: unknown) => boolean): (error: unknown) => null {
  return (error) => {
    if (leavesAnotherWay(error)) return null
    throw error
  }
}
