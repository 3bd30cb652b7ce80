/**
 * The `.layer` file beside an artifact of several pieces, so that its pieces can be served without hashing it anew.
 *
 * Not synced and not precious: it carries its own checksum, a torn or missing one answers null and is made again from the
 * artifact. Layout: magic "FSHL", version u8 = 1, layer pieces * 32, SHA-256 of all before 32.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { asIoError, errnoOf, writeWhole } from './durable.ts'

const HEAD = Buffer.from('FSHL\u0001', 'latin1')
const HASH_BYTES = 32

export async function writeLayer(path: string, layer: Buffer): Promise<void> {
  const body = Buffer.concat([HEAD, layer])
  await writeWhole(path, Buffer.concat([body, sha256(body)]))
}

/** @returns the layer of `pieces` pieces, or null when the file is missing or not exactly what was written. */
export async function readLayer(path: string, pieces: number): Promise<Buffer | null> {
  const bytes = await readOrNull(path)
  if (bytes?.length !== HEAD.length + (pieces + 1) * HASH_BYTES) return null
  const body = bytes.subarray(0, -HASH_BYTES)
  if (!bytes.subarray(0, HEAD.length).equals(HEAD) || !sha256(body).equals(bytes.subarray(-HASH_BYTES))) return null
  return body.subarray(HEAD.length)
}

/** @throws FreshetError IO_ERROR for everything but a file that is not there. */
export async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw asIoError(error, path)
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
