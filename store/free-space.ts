/**
 * Keeps the last bytes of a disk for the store: whatever else lies in a home refuses to grow into them.
 *
 * A full disk is harmless to files, which are refused and written later, but a store write that fails costs the store
 * instance, and with it everything that this node serves until there is space again.
 */
import { statfs } from 'node:fs/promises'
import { FreshetError } from '../schemas/errors.ts'
import { STORE_RESERVE_BYTES } from '../schemas/limits.ts'
import { asIoError } from './durable.ts'

/**
 * @param directory on the disk that is asked about.
 * @param path what is about to be written there, for the message.
 * @throws FreshetError DISK_FULL unless the reserve is still there after a write of `byteLength`; IO_ERROR.
 */
export async function requireSpace(directory: string, byteLength: number, path = directory): Promise<void> {
  const bytesFree = await freeBytes(directory).catch((error: unknown) => Promise.reject(asIoError(error, directory)))
  const bytesNeeded = byteLength + STORE_RESERVE_BYTES
  if (bytesFree >= bytesNeeded) return
  const message = `no space left to write ${path}: ${bytesFree} bytes are free, ${bytesNeeded} are needed`
  throw new FreshetError('DISK_FULL', message, { path, bytesFree, bytesNeeded })
}

/** Whether so little is left that a write which failed, and did not say why, failed for that. False where nobody can tell. */
export async function isFull(directory: string): Promise<boolean> {
  try {
    return (await freeBytes(directory)) < STORE_RESERVE_BYTES
  } catch {
    return false // the write's own error is the one to report
  }
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
