/**
 * Piece layers of the artifacts in the pool: from memory, from the `.layer` file, or made again by hashing the artifact.
 *
 * Owns a cache bounded in bytes. Making one again hashes the whole file, so it checks the file as well.
 */
import { pieceCount } from '../schemas/artifact.ts'
import { FreshetError } from '../schemas/errors.ts'
import { POOL_LAYERS_BYTES_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import type { Hashed } from './hashed.ts'
import type { Hasher } from './hasher.ts'
import { readLayer, writeLayer } from './layer-file.ts'
import type { PoolFiles } from './pool-files.ts'

/** Where the bytes of an artifact are. `adopted`: the file is not ours. */
export interface Located {
  readonly digest: DigestHex
  readonly byteLength: number
  readonly path: string
  readonly adopted: boolean
}

export class PieceLayers {
  readonly #files: PoolFiles
  readonly #hasher: Hasher
  /** Oldest use first. */
  readonly #cache = new Map<DigestHex, Buffer>()
  readonly #finding = new Map<DigestHex, Promise<Buffer>>()
  #cachedBytes = 0

  constructor(files: PoolFiles, hasher: Hasher) {
    this.#files = files
    this.#hasher = hasher
  }

  /** @throws FreshetError POOL_CORRUPT when it had to be made again and the file is not the artifact. */
  async get(located: Located): Promise<Buffer | null> {
    const { digest } = located
    if (pieceCount(located.byteLength) <= 1) return null
    const cached = this.#cache.get(digest)
    if (cached !== undefined) {
      this.#put(digest, cached)
      return cached
    }
    let finding = this.#finding.get(digest)
    if (finding === undefined) {
      finding = this.#find(located).finally(() => this.#finding.delete(digest))
      this.#finding.set(digest, finding)
    }
    return finding
  }

  /** As the file is now. @throws FreshetError POOL_CORRUPT when it is not the artifact. */
  async hash({ digest, byteLength, path }: Located): Promise<Hashed> {
    const hashed = await this.#hasher.hash(path)
    if (hashed.digest === digest && hashed.byteLength === byteLength) return hashed
    throw new FreshetError('POOL_CORRUPT', `${path} is not artifact ${digest}`, { path, digest })
  }

  forget(digest: DigestHex): void {
    this.#cachedBytes -= this.#cache.get(digest)?.byteLength ?? 0
    this.#cache.delete(digest)
  }

  async #find(located: Located): Promise<Buffer> {
    const { digest, byteLength } = located
    const path = this.#files.path(digest, '.layer')
    const layer = (await readLayer(path, pieceCount(byteLength))) ?? (await this.#make(located, path))
    this.#put(digest, layer)
    return layer
  }

  async #make(located: Located, layerPath: string): Promise<Buffer> {
    const { layer } = await this.hash(located)
    if (layer === null) throw new FreshetError('INTERNAL', `${located.path} has several pieces and no layer`)
    await writeLayer(layerPath, layer)
    return layer
  }

  #put(digest: DigestHex, layer: Buffer): void {
    this.forget(digest)
    this.#cache.set(digest, layer)
    this.#cachedBytes += layer.byteLength
    for (const oldest of this.#cache.keys()) {
      if (this.#cachedBytes <= POOL_LAYERS_BYTES_MAX) return
      this.forget(oldest)
    }
  }
}
