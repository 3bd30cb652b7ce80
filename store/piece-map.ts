/**
 * The `.map` file beside an incomplete artifact: what is being fetched, its piece layer, and which pieces came.
 *
 * It is a hint and never believed by itself. With a layer, every piece of the `.part` file is hashed again on resume and
 * the bits below are not even read. Without a layer (published without piece roots) a piece cannot be checked alone: the
 * map is then written only after an fdatasync of the `.part`, and the SHA-256 of the whole file decides at the end.
 * A torn, truncated or foreign map is as good as none: `decodePieceMap` answers null.
 *
 * Layout, little-endian: magic "FSHM", version u8 = 1, flags u8 (1 root, 2 layer), digest 32, byteLength u64, root 32,
 * bits ceil(pieces / 8), layer pieces * 32 (with flag 2), SHA-256 of all before 32.
 */
import { createHash } from 'node:crypto'
import { pieceCount, type Artifact } from '../schemas/artifact.ts'
import { ARTIFACT_BYTES_MAX } from '../schemas/limits.ts'
import { digestHex } from '../schemas/units.ts'

export interface PieceMap {
  readonly artifact: Artifact
  readonly layer: Buffer | null
  /** Bit i, lowest first in each byte, is set when piece i was written. */
  readonly bits: Buffer
}

const MAGIC = Buffer.from('FSHM')
const VERSION = 1
const FLAG_ROOT = 1
const FLAG_LAYER = 2
const HASH_BYTES = 32
const HEAD_BYTES = 4 + 1 + 1 + HASH_BYTES + 8 + HASH_BYTES

export function encodePieceMap({ artifact, layer, bits }: PieceMap): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  MAGIC.copy(head, 0)
  head[4] = VERSION
  head[5] = (artifact.piecesRoot === null ? 0 : FLAG_ROOT) | (layer === null ? 0 : FLAG_LAYER)
  Buffer.from(artifact.digest, 'hex').copy(head, 6)
  head.writeBigUInt64LE(BigInt(artifact.byteLength), 38)
  artifact.piecesRoot?.copy(head, 46)
  const body = Buffer.concat(layer === null ? [head, bits] : [head, bits, layer])
  return Buffer.concat([body, sha256(body)])
}

/** @returns null for anything but the exact output of `encodePieceMap`. */
export function decodePieceMap(bytes: Buffer): PieceMap | null {
  if (bytes.length < HEAD_BYTES + HASH_BYTES || !bytes.subarray(0, 4).equals(MAGIC) || bytes[4] !== VERSION) return null
  const body = bytes.subarray(0, -HASH_BYTES)
  if (!sha256(body).equals(bytes.subarray(-HASH_BYTES))) return null
  const byteLength = Number(body.readBigUInt64LE(38))
  if (byteLength > ARTIFACT_BYTES_MAX) return null
  const flags = bytes[5] ?? 0
  const pieces = pieceCount(byteLength)
  const layerStart = HEAD_BYTES + bitsByteLength(pieces)
  const layerLength = (flags & FLAG_LAYER) === 0 ? 0 : pieces * HASH_BYTES
  if (body.length !== layerStart + layerLength) return null
  return {
    artifact: {
      digest: digestHex(body.subarray(6, 38)),
      byteLength,
      piecesRoot: (flags & FLAG_ROOT) === 0 ? null : body.subarray(46, 78),
    },
    layer: layerLength === 0 ? null : body.subarray(layerStart),
    bits: body.subarray(HEAD_BYTES, layerStart),
  }
}

export function bitsByteLength(pieces: number): number {
  return Math.ceil(pieces / 8)
}

export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
}

export function putBit(bits: Uint8Array, index: number, value: boolean): void {
  const byte = bits[index >> 3] ?? 0
  bits[index >> 3] = value ? byte | (1 << (index & 7)) : byte & ~(1 << (index & 7))
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
