/**
 * The bytes of an incomplete artifact on disk: one sparse `.part` file, pieces at their place.
 *
 * Owns the file, not the knowledge of which pieces count: store/partial-artifact.ts has that. Errors are DISK_FULL or
 * IO_ERROR and name the file.
 */
import { createHash } from 'node:crypto'
import { open, rename, stat } from 'node:fs/promises'
import type { Artifact } from '../schemas/artifact.ts'
import { PIECE_BYTES } from '../schemas/limits.ts'
import { asIoError, errnoOf, FILE_MODE, removeQuietly, syncDirectory, writeFully } from './durable.ts'
import type { FileHandles } from './file-handles.ts'
import { requireSpace } from './free-space.ts'
import type { PoolFiles } from './pool-files.ts'
import { readPiece, type Checkable } from './verified-read.ts'

export class PartFile {
  readonly path: string
  readonly #artifact: Artifact
  readonly #files: PoolFiles
  readonly #handles: FileHandles
  #made: Promise<void> | null = null

  constructor(artifact: Artifact, files: PoolFiles, handles: FileHandles) {
    this.path = files.path(artifact.digest, '.part')
    this.#artifact = artifact
    this.#files = files
    this.#handles = handles
  }

  /** Creates the file and its folder unless they are there. */
  async make(): Promise<void> {
    this.#made ??= this.#create()
    await this.#made
  }

  /** Not durable until `sync`. */
  async write(index: number, bytes: Buffer): Promise<void> {
    try {
      await requireSpace(this.#files.directory, bytes.byteLength, this.path)
      await this.make()
      await this.#handles.use(this.path, 'write', (handle) => writeFully(handle, bytes, index * PIECE_BYTES))
    } catch (error) {
      this.#made = null // whoever removed it may do so again: the next write makes it anew
      throw asIoError(error, this.path, { bytesNeeded: bytes.byteLength })
    }
  }

  /** @returns the piece when it is what `expected` says, else null. */
  async read(index: number, expected: Checkable): Promise<Buffer | null> {
    return this.#do(() => this.#handles.use(this.path, 'write', (handle) => readPiece(handle, expected, index)))
  }

  /** SHA-256 of all of it, in hexadecimal; holds up the main thread for less than a millisecond at a time. */
  async digest(): Promise<string> {
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(PIECE_BYTES)
    await this.#do(() =>
      this.#handles.use(this.path, 'write', async (handle) => {
        for (let at = 0; ;) {
          const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES, at)
          if (bytesRead === 0) return
          hash.update(piece.subarray(0, bytesRead))
          at += bytesRead
        }
      }),
    )
    return hash.digest('hex')
  }

  /** @returns 0 where there is no file. What is longer than the artifact is cut off. */
  async fit(): Promise<number> {
    try {
      const { size } = await stat(this.path)
      if (size > this.#artifact.byteLength) await this.truncate(this.#artifact.byteLength)
      return Math.min(size, this.#artifact.byteLength)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 0
      throw asIoError(error, this.path)
    }
  }

  async truncate(byteLength: number): Promise<void> {
    await this.#do(() => this.#handles.use(this.path, 'write', (handle) => handle.truncate(byteLength)))
  }

  async sync(how: 'sync' | 'datasync'): Promise<void> {
    await this.#do(() => this.#handles.use(this.path, 'write', (handle) => handle[how]()))
  }

  /** Gives the file its name in the pool, where it counts as held from then on. */
  async rename(): Promise<void> {
    const { digest, byteLength } = this.#artifact
    await this.#do(() => rename(this.path, this.#files.path(digest)))
    this.#files.setWhole(digest, byteLength)
    this.#files.setPartial(digest, false)
    await this.release()
  }

  /** The name given by `rename` survives a power cut from here on. */
  async syncName(): Promise<void> {
    await syncDirectory(this.#files.folderPath(this.#artifact.digest))
  }

  async remove(): Promise<void> {
    await this.release()
    await removeQuietly(this.path)
    this.#files.setPartial(this.#artifact.digest, false)
    this.#made = null
  }

  /** Lets go of the open file. */
  async release(): Promise<void> {
    await this.#handles.drop(this.path)
  }

  async #create(): Promise<void> {
    const handle = await open(this.path, 'a', FILE_MODE)
    await handle.close()
    this.#files.setPartial(this.#artifact.digest, true)
  }

  async #do<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } catch (error) {
      throw asIoError(error, this.path)
    }
  }
}
