/**
 * An artifact that is still arriving: pieces are checked, written, and readable one by one as they come.
 *
 * Owns the `.part` and `.map` files of one digest; one instance per digest, shared by everybody who began it. Refuses bytes
 * that differ from the layer, and hands none out that it could not check: without a layer, a file of several pieces is
 * readable only when its whole SHA-256 was right.
 *
 * What a crash costs. With a layer or a single piece: nothing but what never reached the disk, because on resume every
 * piece found in the `.part` file is hashed again, and nothing else counts. Without a layer: at most the last
 * PARTIAL_SYNC_PIECES pieces, because the map is written only after an fdatasync of what it claims. A finished artifact is
 * fsynced before it gets its name. An fsync that failed may have lost anything: every piece is dropped.
 */
import { pieceByteLength, pieceCount, type Artifact } from '../schemas/artifact.ts'
import { FreshetError } from '../schemas/errors.ts'
import { HASH_HERE_BYTES_MAX, PARTIAL_SYNC_PIECES, PIECE_BYTES } from '../schemas/limits.ts'
import { isLayerOf } from '../schemas/piece-tree.ts'
import { removeQuietly, writeWhole } from './durable.ts'
import type { FileHandles } from './file-handles.ts'
import type { Hasher } from './hasher.ts'
import { readOrNull, writeLayer } from './layer-file.ts'
import { PartFile } from './part-file.ts'
import { bitsByteLength, decodePieceMap, encodePieceMap, hasBit, putBit } from './piece-map.ts'
import { PieceWaiters } from './piece-waiters.ts'
import type { PoolFiles } from './pool-files.ts'
import { checkRange, pieceMatches, piecesOfRange, type Checkable } from './verified-read.ts'

/** What the pool lends to its partial artifacts. */
export interface PartialHost {
  readonly files: PoolFiles
  readonly handles: FileHandles
  readonly hasher: Hasher
  /** Reads from the finished artifact. */
  readWhole(byteOffset: number, byteLength: number): Promise<Buffer>
  /** The last holder closed, or somebody discarded. */
  ended(): void
}

export class PartialArtifact {
  readonly pieces: number
  #artifact: Artifact
  readonly #host: PartialHost
  readonly #part: PartFile
  readonly #bits: Buffer
  readonly #waiters = new PieceWaiters()
  /** Writes under way, never rejecting: a piece has one writer at a time, so a held piece is never written again. */
  readonly #writing = new Map<number, Promise<void>>()
  #layer: Buffer | null = null
  #layerSaved = false
  #heldPieces = 0
  #unsyncedPieces = 0
  #state: 'arriving' | 'whole' | 'ended' = 'arriving'
  #holders = 1
  #saving: Promise<void> = Promise.resolve()
  #completing: Promise<boolean> | null = null
  #ending: Promise<void> | null = null

  private constructor(artifact: Artifact, host: PartialHost) {
    this.#artifact = artifact
    this.#host = host
    this.#part = new PartFile(artifact, host.files, host.handles)
    this.pieces = pieceCount(artifact.byteLength)
    this.#bits = Buffer.alloc(bitsByteLength(this.pieces))
  }

  /** Picks up what an earlier run left, after checking it. For the pool; everybody else calls `Pool.begin`. */
  static async open(artifact: Artifact, host: PartialHost, whole: boolean): Promise<PartialArtifact> {
    const partial = new PartialArtifact(artifact, host)
    if (whole) partial.#state = 'whole'
    else await partial.#resume()
    return partial
  }

  get artifact(): Artifact {
    return this.#artifact
  }

  /** Whether pieces can be checked one by one: always for a single piece, else once the layer is here. */
  get hasLayer(): boolean {
    return this.pieces <= 1 || this.#layer !== null || this.#state === 'whole'
  }

  get heldPieces(): number {
    return this.#state === 'whole' ? this.pieces : this.#heldPieces
  }

  has(index: number): boolean {
    return this.#state === 'whole' ? index >= 0 && index < this.pieces : hasBit(this.#bits, index)
  }

  /** Whether `read` may hand out bytes of piece `index`. */
  readable(index: number): boolean {
    return this.has(index) && this.hasLayer
  }

  /** The first piece that a reader waits for; null: nobody does. */
  get awaited(): number | null {
    return this.#waiters.first
  }

  /** One more holder, who must close too. @throws FreshetError ARTIFACT_MISMATCH when it is described otherwise. */
  retain(artifact: Artifact): void {
    const { digest, byteLength, piecesRoot } = this.#artifact
    const sameRoot = piecesRoot === null || artifact.piecesRoot === null || piecesRoot.equals(artifact.piecesRoot)
    if (byteLength !== artifact.byteLength || !sameRoot) {
      const message = `artifact ${digest} is being fetched under another description of its size or piece root`
      throw new FreshetError('ARTIFACT_MISMATCH', message, { digest, byteLength, byteLengthNow: artifact.byteLength })
    }
    if (piecesRoot === null) this.#artifact = artifact
    this.#holders += 1
  }

  /** Resolves when an instance that is being closed has let go of its files; null while it is in use. */
  get ending(): Promise<void> | null {
    return this.#ending
  }

  /** @returns false when `layer` is not the one that the signed pieces root names, or no root is known. */
  async acceptLayer(layer: Buffer): Promise<boolean> {
    if (this.pieces <= 1) return layer.byteLength === 0
    if (this.#state === 'whole') return true
    this.#checkArriving()
    const { piecesRoot } = this.#artifact
    if (piecesRoot === null || !isLayerOf(layer, this.pieces, piecesRoot)) return false
    // Pieces that came before the layer are unchecked; none may land while the file is being looked through.
    while (this.#layer === null && this.#writing.size > 0) await Promise.all(this.#writing.values())
    if (this.#layer === null) {
      this.#layer = Buffer.from(layer)
      await this.#countPieces()
    }
    if (!this.#layerSaved) await this.#saveMap()
    return true
  }

  /**
   * @returns false when `bytes` are not piece `index`; true when the piece is held afterwards.
   * @throws FreshetError DISK_FULL, IO_ERROR (the piece is not held, try again), INTERRUPTED when ended meanwhile.
   */
  async write(index: number, bytes: Buffer): Promise<boolean> {
    if (!Number.isInteger(index) || index < 0 || index >= this.pieces) return false
    if (bytes.byteLength !== pieceByteLength(this.#artifact.byteLength, index)) return false
    for (;;) {
      if (this.has(index)) return true
      this.#checkArriving()
      if (this.hasLayer && !pieceMatches(this.#checkable, index, bytes)) return false
      const earlier = this.#writing.get(index)
      if (earlier === undefined) break
      await earlier
    }
    const writing = this.#writePiece(index, bytes)
    this.#writing.set(index, asSettled(writing))
    try {
      await writing
    } finally {
      this.#writing.delete(index)
    }
    if (!this.hasLayer && this.#unsyncedPieces >= PARTIAL_SYNC_PIECES) await this.#saveMap()
    return true
  }

  /** @throws FreshetError ARTIFACT_NOT_HELD for bytes that are not readable yet, POOL_CORRUPT, IO_ERROR. */
  async read(byteOffset: number, byteLength: number): Promise<Buffer> {
    if (this.#state === 'whole') return this.#host.readWhole(byteOffset, byteLength)
    checkRange(this.#artifact, byteOffset, byteOffset + byteLength)
    const parts: Buffer[] = []
    for (const { index, from, to } of piecesOfRange(byteOffset, byteOffset + byteLength)) {
      const piece = await this.#readHeld(index)
      parts.push(piece.subarray(from, to))
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }

  /** Resolves when piece `index` is readable. @throws the signal's reason, or FreshetError INTERRUPTED when ended. */
  async waitFor(index: number, signal: AbortSignal): Promise<void> {
    if (this.readable(index)) return
    if (this.#state === 'ended') throw this.#interrupted()
    if (!Number.isInteger(index) || index < 0 || index >= this.pieces)
      checkRange(this.#artifact, index * PIECE_BYTES, -1)
    await this.#waiters.wait(index, signal)
  }

  /**
   * Checks the SHA-256 of the whole, makes it durable, and gives it its name in the pool.
   * @returns false when it differs: every piece was dropped.
   * @throws FreshetError DISK_FULL, IO_ERROR (call again), INTERNAL when pieces are missing.
   */
  async complete(): Promise<boolean> {
    if (this.#state === 'whole') return true
    if (this.#completing !== null) return this.#completing
    this.#checkArriving()
    const { digest } = this.#artifact
    if (this.#heldPieces < this.pieces) {
      throw new FreshetError('INTERNAL', `artifact ${digest} has ${this.#heldPieces} of ${this.pieces} pieces`, {
        digest,
      })
    }
    this.#completing = this.#finish().finally(() => {
      this.#completing = null
    })
    return this.#completing
  }

  /** Call once per `begin`. What came stays on disk and is picked up by the next `begin`. */
  async close(): Promise<void> {
    this.#holders -= 1
    if (this.#holders <= 0) await this.closeForAll()
  }

  /** For the end of the pool. */
  async closeForAll(): Promise<void> {
    this.#ending ??= this.#end(async () => {
      if (!this.hasLayer && this.#unsyncedPieces > 0) await this.#saveMap()
    })
    await this.#ending
  }

  /** Throws away what came, for every holder. A finished artifact stays. */
  async discard(): Promise<void> {
    this.#ending ??= this.#end(async () => {
      await this.#part.remove()
      await removeQuietly(this.#path('.map'))
    })
    await this.#ending
  }

  get #checkable(): Checkable {
    return { digest: this.#artifact.digest, byteLength: this.#artifact.byteLength, layer: this.#layer }
  }

  #path(suffix: '' | '.part' | '.map' | '.layer' | '.corrupt'): string {
    return this.#host.files.path(this.#artifact.digest, suffix)
  }

  async #resume(): Promise<void> {
    const { digest, byteLength, piecesRoot } = this.#artifact
    const bytes = this.pieces > 1 ? await readOrNull(this.#path('.map')) : null
    const map = bytes === null ? null : decodePieceMap(bytes)
    const ours = map !== null && map.artifact.digest === digest && map.artifact.byteLength === byteLength ? map : null
    if (ours?.layer && piecesRoot !== null && isLayerOf(ours.layer, this.pieces, piecesRoot)) {
      this.#layer = Buffer.from(ours.layer)
      this.#layerSaved = true
    }
    await this.#countPieces(ours?.layer === null ? ours.bits : null)
  }

  /** Counts what the `.part` file really has: by hashing it, or, without a layer, by the bits of a map synced after it. */
  async #countPieces(claimed: Buffer | null = null): Promise<void> {
    this.#forgetPieces()
    const { byteLength } = this.#artifact
    const present = await this.#part.fit()
    for (let index = 0; index < this.pieces; index += 1) {
      if (index * PIECE_BYTES + pieceByteLength(byteLength, index) > present || this.has(index)) continue
      if (this.hasLayer ? await this.#matchesOnDisk(index) : claimed !== null && hasBit(claimed, index)) {
        this.#setPiece(index, true)
      }
    }
  }

  async #matchesOnDisk(index: number): Promise<boolean> {
    return (await this.#part.read(index, this.#checkable)) !== null
  }

  async #writePiece(index: number, bytes: Buffer): Promise<void> {
    await this.#part.write(index, bytes)
    this.#checkArriving()
    this.#setPiece(index, true)
    this.#unsyncedPieces += 1
  }

  #setPiece(index: number, held: boolean): void {
    if (this.has(index) !== held) this.#heldPieces += held ? 1 : -1
    putBit(this.#bits, index, held)
    if (this.readable(index)) this.#waiters.wake(index)
  }

  async #readHeld(index: number): Promise<Buffer> {
    const { digest } = this.#artifact
    if (!this.readable(index)) {
      const message = `piece ${index} of artifact ${digest} is not here yet`
      throw new FreshetError('ARTIFACT_NOT_HELD', message, { digest, index })
    }
    try {
      const piece = await this.#part.read(index, this.#checkable)
      if (piece !== null) return piece
    } catch (error) {
      if (this.#completing !== null) await asSettled(this.#completing)
      if (!this.#isWhole()) throw error
    }
    // It got its name while we were reading: the `.part` is gone, the artifact is not.
    if (this.#isWhole()) return this.#readFromWhole(index)
    this.#setPiece(index, false)
    const { path } = this.#part
    throw new FreshetError('POOL_CORRUPT', `piece ${index} of ${path} no longer has its hash`, { digest, index, path })
  }

  #isWhole(): boolean {
    return this.#state === 'whole'
  }

  #readFromWhole(index: number): Promise<Buffer> {
    const { byteLength } = this.#artifact
    return this.#host.readWhole(index * PIECE_BYTES, pieceByteLength(byteLength, index))
  }

  /** With a layer: the layer. Without: the bits, after what they claim is on disk. One at a time, newest last. */
  #saveMap(): Promise<void> {
    const saved = this.#saving.then(async () => {
      const bits = this.hasLayer ? Buffer.alloc(this.#bits.length) : Buffer.from(this.#bits)
      const layer = this.#layer
      const unsynced = this.#unsyncedPieces
      if (layer === null) await this.#sync('datasync')
      await writeWhole(this.#path('.map'), encodePieceMap({ artifact: this.#artifact, layer, bits }))
      this.#unsyncedPieces -= unsynced
      this.#layerSaved = layer !== null
    })
    this.#saving = asSettled(saved)
    return saved
  }

  async #sync(how: 'sync' | 'datasync'): Promise<void> {
    try {
      await this.#part.sync(how)
    } catch (error) {
      // The kernel may have marked the lost pages clean: a second fsync would succeed and prove nothing.
      await this.#dropPieces()
      throw error
    }
  }

  async #finish(): Promise<boolean> {
    if (this.pieces === 0) await this.#part.make()
    const layer = await this.#checkWhole()
    if (layer === false) {
      await this.#dropPieces()
      return false
    }
    await this.#sync('sync')
    if (layer !== null) await writeLayer(this.#path('.layer'), layer)
    await this.#part.rename()
    this.#state = 'whole'
    await this.#part.syncName()
    this.#waiters.wakeAll()
    await removeQuietly(this.#path('.map'))
    await removeQuietly(this.#path('.corrupt'))
    return true
  }

  /** @returns false when the file is not the artifact, else its layer (null for at most one piece). */
  async #checkWhole(): Promise<Buffer | null | false> {
    const { digest, byteLength } = this.#artifact
    if (this.pieces === 1) return (await this.#matchesOnDisk(0)) ? null : false
    if (this.pieces === 0 || (this.#layer !== null && byteLength <= HASH_HERE_BYTES_MAX))
      return (await this.#part.digest()) === digest ? this.#layer : false
    const hashed = await this.#host.hasher.hash(this.#part.path)
    if (hashed.digest !== digest || hashed.byteLength !== byteLength) return false
    return hashed.layer
  }

  async #dropPieces(): Promise<void> {
    this.#forgetPieces()
    if (!this.hasLayer) await removeQuietly(this.#path('.map'))
    await this.#part.truncate(0)
    this.#forgetPieces() // also those whose write ended while the file was being emptied
  }

  #forgetPieces(): void {
    this.#bits.fill(0)
    this.#heldPieces = 0
    this.#unsyncedPieces = 0
  }

  async #end(task: () => Promise<void>): Promise<void> {
    this.#waiters.fail(this.#interrupted())
    if (this.#completing !== null) await asSettled(this.#completing)
    await Promise.all(this.#writing.values())
    const wasWhole = this.#isWhole()
    this.#state = 'ended'
    try {
      if (!wasWhole) await task()
    } finally {
      await this.#saving
      await this.#part.release()
      this.#host.ended()
    }
  }

  #checkArriving(): void {
    if (this.#state === 'ended' || this.#ending !== null) throw this.#interrupted()
  }

  #interrupted(): FreshetError {
    const { digest } = this.#artifact
    return new FreshetError('INTERRUPTED', `the download of artifact ${digest} was closed`, { digest })
  }
}

/** For who only waits until it is over: the one who started it has the error. */
async function asSettled(task: Promise<unknown>): Promise<void> {
  await task.catch(() => {})
}
