/** Whole pieces in memory for who asks next, least recently used first to go: a piece is read and hashed once, and sent as blocks many times. */
import { leafHashes } from '../schemas/leaf-hashes.ts'
import { SERVED_PIECES_BYTES } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'

export class ServedPiece {
  readonly bytes: Buffer
  #leaves: Buffer | null = null

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** 32 bytes for each block. */
  get leaves(): Buffer {
    this.#leaves ??= leafHashes(this.bytes)
    return this.#leaves
  }
}

export class ServedPieces {
  readonly #pieces = new Map<string, ServedPiece>()
  readonly #loading = new Map<string, Promise<ServedPiece>>()
  #bytes = 0

  get(digest: DigestHex, index: number): ServedPiece | null {
    const name = nameOf(digest, index)
    const piece = this.#pieces.get(name)
    if (piece === undefined) return null
    this.#pieces.delete(name)
    this.#pieces.set(name, piece)
    return piece
  }

  /** @param bytes checked. */
  put(digest: DigestHex, index: number, bytes: Buffer): ServedPiece {
    const name = nameOf(digest, index)
    const known = this.#pieces.get(name)
    if (known !== undefined) return known
    const piece = new ServedPiece(bytes)
    this.#pieces.set(name, piece)
    this.#bytes += bytes.byteLength
    for (const [oldest, { bytes: unused }] of this.#pieces) {
      if (this.#bytes <= SERVED_PIECES_BYTES || oldest === name) break
      this.#pieces.delete(oldest)
      this.#bytes -= unused.byteLength
    }
    return piece
  }

  /** The piece, read once however many ask meanwhile. @throws what `read` throws. */
  load(digest: DigestHex, index: number, read: () => Promise<Buffer>): Promise<ServedPiece> {
    const name = nameOf(digest, index)
    const running = this.#loading.get(name)
    if (running !== undefined) return running
    const loading = read()
      .then((bytes) => this.put(digest, index, bytes))
      .finally(() => this.#loading.delete(name))
    this.#loading.set(name, loading)
    return loading
  }
}

function nameOf(digest: DigestHex, index: number): string {
  return `${digest}/${index}`
}
