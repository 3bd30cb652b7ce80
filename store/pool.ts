/**
 * The pool: artifacts as plain files named by their SHA-256, incomplete ones, and files of this machine adopted in place.
 *
 * Owns the directory: `ab/<sha256>` and what lies beside it (store/pool-files.ts), `adopted.log`, `incoming/` for copies under
 * way. Promises: a name is given only to bytes that were hashed and synced, and no byte leaves that was not checked while it
 * was read. A file that no longer has its digest is set aside (`.corrupt`) or, when adopted, forgotten, and counts as missing.
 * Refuses to be opened twice: one process per home, one pool per process, is for the caller to see to.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pieceByteLength, pieceCount, type Artifact } from '../schemas/artifact.ts'
import { FreshetError } from '../schemas/errors.ts'
import { ARTIFACT_BYTES_MAX, HASH_JOBS_PER_THREAD, LEAF_BYTES, PARTIALS_MAX } from '../schemas/limits.ts'
import { piecesRoot } from '../schemas/piece-tree.ts'
import type { DigestHex } from '../schemas/units.ts'
import { adoptFiles, type AdoptEntry, type AdoptProgress, type AdoptResult } from './adopt-files.ts'
import { AdoptedLog } from './adopted-log.ts'
import { asIoError, DIRECTORY_MODE, errnoOf, FILE_MODE, removeQuietly, syncDirectory, syncFile } from './durable.ts'
import { FileHandles } from './file-handles.ts'
import { requireSpace } from './free-space.ts'
import type { Hashed, TakenIn } from './hashed.ts'
import { Hasher } from './hasher.ts'
import { writeLayer } from './layer-file.ts'
import { PartialArtifact } from './partial-artifact.ts'
import { PieceLayers, type Located } from './piece-layers.ts'
import { PoolFiles } from './pool-files.ts'
import { checkRange, checkReadLength, piecesOfRange, readPiece } from './verified-read.ts'

export type { AdoptEntry, AdoptProgress, AdoptResult } from './adopt-files.ts'
export type { Hashed, TakenIn } from './hashed.ts'
export type { PartialArtifact } from './partial-artifact.ts'

export interface PoolStatus {
  readonly artifacts: number
  readonly bytes: number
  readonly partial: number
}

export class Pool {
  readonly #files: PoolFiles
  readonly #adopted: AdoptedLog
  readonly #handles = new FileHandles()
  readonly #hasher = new Hasher()
  readonly #layers: PieceLayers
  readonly #partials = new Map<DigestHex, Promise<PartialArtifact>>()
  readonly #incoming: string
  #closed = false

  private constructor(files: PoolFiles, adopted: AdoptedLog, incoming: string) {
    this.#files = files
    this.#adopted = adopted
    this.#incoming = incoming
    this.#layers = new PieceLayers(files, this.#hasher)
  }

  /** @throws FreshetError DISK_FULL, IO_ERROR. */
  static async open(directory: string): Promise<Pool> {
    const files = await PoolFiles.open(directory)
    const incoming = join(directory, 'incoming')
    try {
      await rm(incoming, { recursive: true, force: true }) // copies that a crash cut short
      await mkdir(incoming, { mode: DIRECTORY_MODE })
    } catch (error) {
      throw asIoError(error, incoming)
    }
    return new Pool(files, await AdoptedLog.open(join(directory, 'adopted.log')), incoming)
  }

  /** From memory, or one stat for an adopted file: meant to be called for every request. */
  held(digest: DigestHex): { byteLength: number } | null {
    const located = this.#locate(digest)
    return located === null ? null : { byteLength: located.byteLength }
  }

  /** What hashing the artifact told or tells: of one piece it is hashed now, as nothing is kept of it. Throws as `read`. */
  async hashed(digest: DigestHex): Promise<Hashed> {
    const located = this.#need(digest)
    const { byteLength } = located
    if (byteLength <= LEAF_BYTES) return { digest, byteLength, layer: null, piecesRoot: null }
    const layer = await this.#layerOf(located)
    if (layer === null) return this.#orSetAside(located, this.#layers.hash(located))
    return { digest, byteLength, layer, piecesRoot: piecesRoot(layer) }
  }

  /** @returns 32 bytes per piece, or null for an artifact of at most one piece. */
  async layer(digest: DigestHex): Promise<Buffer | null> {
    return this.#layerOf(this.#need(digest))
  }

  /** Hashes the file as it lies there, whatever is known of it, and leaves it alone. @returns null when it is not held. */
  async rehash(digest: DigestHex): Promise<Hashed | null> {
    const located = this.#locate(digest)
    return located === null ? null : this.#hasher.hash(located.path)
  }

  /**
   * Checked, like everything that leaves the pool: reads whole pieces, so ask for whole pieces where you can.
   * @throws FreshetError ARTIFACT_NOT_HELD, REQUEST_REFUSED, POOL_CORRUPT, IO_ERROR.
   */
  async read(digest: DigestHex, byteOffset: number, byteLength: number): Promise<Buffer> {
    checkReadLength(digest, byteLength)
    const parts: Buffer[] = []
    for await (const part of this.stream(digest, byteOffset, byteOffset + byteLength)) parts.push(part)
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }

  /** For a hard link or a copy. What is read from there is not checked: a reader of the bytes hashes them itself. */
  pathOf(digest: DigestHex): string | null {
    return this.#locate(digest)?.path ?? null
  }

  /** As `pathOf`, of a file of the pool's own: one that was adopted is somebody else's, to change as they like. */
  ownPathOf(digest: DigestHex): string | null {
    const located = this.#locate(digest)
    return located === null || located.adopted ? null : located.path
  }

  /** Bytes from `start` up to, not including, `end`, each piece checked before any of it is given out. Throws as `read`. */
  async *stream(digest: DigestHex, start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    const located = this.#need(digest)
    checkRange(located, start, end)
    const layer = await this.#layerOf(located)
    for (const { index, from, to } of piecesOfRange(start, end)) {
      const piece = await this.#readPiece(located, layer, index)
      yield piece.subarray(from, to)
    }
  }

  /**
   * Copies a file into the pool; the copy, not the source, is what gets hashed.
   * @throws FreshetError ARTIFACT_MISMATCH, SOURCE_UNAVAILABLE, DISK_FULL, IO_ERROR.
   */
  async ingest(sourcePath: string, expected: { digest: DigestHex; byteLength: number }): Promise<TakenIn> {
    const { digest, byteLength } = expected
    const held = this.#files.byteLength(digest)
    if (held !== null) return { digest, byteLength: held, hashed: null }
    await checkSource(sourcePath, expected)
    const copy = join(this.#incoming, `${digest}.${randomBytes(6).toString('hex')}`)
    await requireSpace(this.#incoming, byteLength, copy)
    try {
      await copyInto(sourcePath, copy, byteLength)
      const hashed = await this.#hasher.hash(copy, byteLength)
      if (hashed.digest !== digest || hashed.byteLength !== byteLength) throw mismatch(sourcePath, expected, hashed)
      await syncFile(copy)
      if (hashed.layer !== null) await writeLayer(this.#files.path(digest, '.layer'), hashed.layer)
      await rename(copy, this.#files.path(digest))
      this.#files.setWhole(digest, byteLength)
      await syncDirectory(this.#files.folderPath(digest))
      await this.#dropOthers(digest)
      return { digest, byteLength, hashed }
    } catch (error) {
      throw asIoError(error, copy, { byteLength })
    } finally {
      await removeQuietly(copy)
    }
  }

  /** Counts files of this machine as held without copying them. What is held already, and unchanged, is not hashed again. */
  async adopt(entries: readonly AdoptEntry[], onProgress?: (progress: AdoptProgress) => void): Promise<AdoptResult> {
    return adoptFiles(entries, {
      concurrency: 2 * HASH_JOBS_PER_THREAD * this.#hasher.threadsMax,
      known: (digest) => this.#locate(digest),
      hash: (path, byteLength) => this.#hasher.hash(path, byteLength),
      keepLayer: (digest, layer) => writeLayer(this.#files.path(digest, '.layer'), layer),
      record: async (files) => {
        for (const { path, digest } of files) {
          await this.#handles.drop(path) // it may still be open from when another file had this name
          this.#layers.forget(digest)
        }
        await this.#adopted.add(files)
      },
      onProgress: onProgress ?? (() => {}),
    })
  }

  /**
   * Opens or resumes an artifact that is to arrive. Everybody who begins the same one shares one instance, and closes once.
   * One that is held already comes back complete.
   * @throws FreshetError ARTIFACT_MISMATCH, REQUEST_REFUSED when too many arrive at once, IO_ERROR.
   */
  async begin(artifact: Artifact): Promise<PartialArtifact> {
    const { digest } = artifact
    checkArtifact(artifact)
    for (;;) {
      if (this.#closed) throw new FreshetError('INTERRUPTED', 'the pool is closed', { digest })
      const known = this.#partials.get(digest)
      if (known === undefined) break
      const partial = await known
      if (partial.ending === null) {
        partial.retain(artifact)
        return partial
      }
      await partial.ending
    }
    if (this.#partials.size >= PARTIALS_MAX) {
      throw new FreshetError('REQUEST_REFUSED', `${PARTIALS_MAX} artifacts are being fetched already`, { digest })
    }
    const opening = this.#openPartial(artifact)
    this.#partials.set(digest, opening)
    return opening
  }

  /** The first call lists the whole pool, and every call looks at each adopted file. */
  status(): PoolStatus {
    const sum = this.#files.totals()
    for (const digest of this.#adopted.digests) {
      if (this.#files.byteLength(digest) !== null) continue
      const file = this.#adopted.get(digest)
      if (file === null) continue
      sum.artifacts += 1
      sum.bytes += file.byteLength
    }
    return sum
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const partials = await Promise.allSettled(this.#partials.values())
    const ends = partials.flatMap((opened) => (opened.status === 'fulfilled' ? [opened.value.closeForAll()] : []))
    const ended = await Promise.allSettled(ends)
    await this.#hasher.close()
    await this.#adopted.close()
    await this.#handles.close()
    const failed = ended.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #openPartial(artifact: Artifact): Promise<PartialArtifact> {
    const { digest, byteLength } = artifact
    const located = this.#locate(digest)
    try {
      if (located !== null && located.byteLength !== byteLength) {
        const message = `artifact ${digest} has ${located.byteLength} bytes, not ${byteLength}`
        throw new FreshetError('ARTIFACT_MISMATCH', message, { digest, byteLength, byteLengthHeld: located.byteLength })
      }
      const host = {
        files: this.#files,
        handles: this.#handles,
        hasher: this.#hasher,
        readWhole: (byteOffset: number, length: number) => this.read(digest, byteOffset, length),
        ended: () => void this.#partials.delete(digest),
      }
      return await PartialArtifact.open(artifact, host, located !== null)
    } catch (error) {
      this.#partials.delete(digest)
      throw error
    }
  }

  #locate(digest: DigestHex): Located | null {
    const byteLength = this.#files.byteLength(digest)
    if (byteLength !== null) return { digest, byteLength, path: this.#files.path(digest), adopted: false }
    const file = this.#adopted.get(digest)
    return file === null ? null : { digest, byteLength: file.byteLength, path: file.path, adopted: true }
  }

  #need(digest: DigestHex): Located {
    const located = this.#locate(digest)
    if (located !== null) return located
    throw new FreshetError('ARTIFACT_NOT_HELD', `artifact ${digest} is not in the pool`, { digest })
  }

  #layerOf(located: Located): Promise<Buffer | null> {
    return this.#orSetAside(located, this.#layers.get(located))
  }

  async #orSetAside<Found>(located: Located, finding: Promise<Found>): Promise<Found> {
    try {
      return await finding
    } catch (error) {
      const gone =
        error instanceof FreshetError && (error.code === 'POOL_CORRUPT' || error.detail['errno'] === 'ENOENT')
      if (gone) await this.#setAside(located)
      throw error
    }
  }

  async #readPiece(located: Located, layer: Buffer | null, index: number): Promise<Buffer> {
    const { digest, byteLength, path } = located
    const expected = { digest, byteLength, layer }
    let piece: Buffer | null
    try {
      piece = await this.#handles.use(path, 'read', (handle) => readPiece(handle, expected, index))
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw asIoError(error, path)
      piece = null // somebody removed the file: missing, like a damaged one
    }
    if (piece !== null) return piece
    await this.#setAside(located)
    const message = `piece ${index} of ${path} is not what artifact ${digest} has there`
    throw new FreshetError('POOL_CORRUPT', message, {
      digest,
      index,
      path,
      byteLength: pieceByteLength(byteLength, index),
    })
  }

  /** From here on it counts as missing. A damaged file of ours is kept under another name for who wants to know why. */
  async #setAside({ digest, path, adopted }: Located): Promise<void> {
    this.#layers.forget(digest)
    await removeQuietly(this.#files.path(digest, '.layer'))
    await this.#handles.drop(path)
    if (adopted) return this.#adopted.forget(digest)
    this.#files.setWhole(digest, null)
    try {
      await rename(path, this.#files.path(digest, '.corrupt'))
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw asIoError(error, path)
    }
  }

  /** After a copy of our own is in place. */
  async #dropOthers(digest: DigestHex): Promise<void> {
    await this.#handles.drop(this.#files.path(digest))
    await this.#adopted.forget(digest)
    await removeQuietly(this.#files.path(digest, '.corrupt'))
    if (this.#partials.has(digest)) return
    await removeQuietly(this.#files.path(digest, '.part'))
    await removeQuietly(this.#files.path(digest, '.map'))
    this.#files.setPartial(digest, false)
  }
}

function checkArtifact({ digest, byteLength, piecesRoot: root }: Artifact): void {
  const sane = Number.isSafeInteger(byteLength) && byteLength >= 0 && byteLength <= ARTIFACT_BYTES_MAX
  if (sane && (root === null || root.byteLength === 32)) return
  const message = `artifact ${digest} is described with ${byteLength} bytes and a root of ${root?.byteLength ?? 0} bytes`
  throw new FreshetError('ARTIFACT_MISMATCH', message, { digest, byteLength, pieces: pieceCount(byteLength) })
}

async function checkSource(path: string, expected: { digest: DigestHex; byteLength: number }): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw new FreshetError('SOURCE_UNAVAILABLE', `${path} cannot be read: ${errnoOf(error)}`, { path }, error)
  })
  if (!stats.isFile()) throw new FreshetError('SOURCE_UNAVAILABLE', `${path} is not a regular file`, { path })
  if (stats.size !== expected.byteLength) throw mismatch(path, expected, { digest: null, byteLength: stats.size })
}

/** A reflink where the filesystem has them: no byte is copied then. */
async function copyInto(source: string, copy: string, byteLength: number): Promise<void> {
  try {
    await copyFile(source, copy, constants.COPYFILE_FICLONE)
    await chmod(copy, FILE_MODE)
  } catch (error) {
    throw asIoError(error, errnoOf(error) === 'ENOSPC' ? copy : source, { bytesNeeded: byteLength })
  }
}

function mismatch(
  path: string,
  expected: { digest: DigestHex; byteLength: number },
  found: { digest: DigestHex | null; byteLength: number },
): FreshetError {
  const digestFound = found.digest ?? 'unknown'
  const message = `${path} has ${found.byteLength} bytes and SHA-256 ${digestFound}, not ${expected.byteLength} and ${expected.digest}`
  return new FreshetError('ARTIFACT_MISMATCH', message, { path, digest: expected.digest, digestFound })
}
