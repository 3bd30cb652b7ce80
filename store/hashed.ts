/** What hashing a whole file tells: its name as an artifact, and its BEP 52 piece layer. */
import type { DigestHex } from '../schemas/units.ts'

export interface Hashed {
  readonly digest: DigestHex
  readonly byteLength: number
  /** Null when the file has at most one block (LEAF_BYTES): it would be its SHA-256. */
  readonly piecesRoot: Buffer | null
  /** 32 bytes per piece; null when the file has at most one. */
  readonly layer: Buffer | null
}

/** A file that the pool was given. */
export interface TakenIn {
  readonly digest: DigestHex
  readonly byteLength: number
  /** Null: it was held already, and was not hashed again. */
  readonly hashed: Hashed | null
}
