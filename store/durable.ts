/**
 * Writes that survive a power cut, and the one place where errno turns into an error of ours.
 *
 * Owns the recipe "temporary file in the same directory, fsync, rename, fsync of the directory": without the last step
 * the new name may be gone after a power cut although the bytes are there. Refuses nothing.
 * Source: rename(2), fsync(2) ("does not necessarily ensure that the entry in the directory has reached disk").
 */
import { randomBytes } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asFreshetError, FreshetError, type ErrorDetail } from '../schemas/errors.ts'

/** Ends the name of a file that is being written; whoever finds one at start removes it. */
export const TEMPORARY_SUFFIX = '.tmp'
/** Only this user may look into or change what was verified (another user's edit would be a local attack). */
export const FILE_MODE = 0o600
export const DIRECTORY_MODE = 0o700

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT'])

/** @returns DISK_FULL or IO_ERROR naming path and errno for an error of the system; an error of ours unchanged. */
export function asIoError(error: unknown, path: string, detail: ErrorDetail = {}): FreshetError {
  if (error instanceof FreshetError) return error
  const errno = errnoOf(error)
  if (errno === null) return asFreshetError(error)
  const syscall = (error as NodeJS.ErrnoException).syscall ?? 'unknown'
  const named = { path, errno, syscall, ...detail }
  if (NO_SPACE.has(errno))
    return new FreshetError('DISK_FULL', `no space left to write ${path} (${errno})`, named, error)
  return new FreshetError('IO_ERROR', `${syscall} failed on ${path}: ${errno}`, named, error)
}

/** @returns `ENOENT` and its like, or null when the system did not raise `error`. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  const { code, errno } = error as NodeJS.ErrnoException
  return typeof code === 'string' && typeof errno === 'number' ? code : null
}

/** Replaces `path` by `texts`, end to end; when this returns, a power cut cannot bring the old content back. */
export async function writeDurably(path: string, ...texts: readonly Uint8Array[]): Promise<void> {
  await replaceFile(path, texts, true)
}

/** Replaces `path` by `bytes`, whole for every other process; a power cut may undo or tear it: for what can be made again. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await replaceFile(path, [bytes], false)
}

/** Waits until the content of `path` is on disk. */
export async function syncFile(path: string): Promise<void> {
  await withFile(path, (handle) => handle.sync())
}

/** Waits until the names in `path` are on disk. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(path, (handle) => handle.sync())
}

/** Writes all of `bytes` at `byteOffset`; one write(2) may take fewer. Errors are the system's own. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, byteOffset: number): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.byteLength - written, byteOffset + written)
    written += bytesWritten
  }
}

async function replaceFile(path: string, texts: readonly Uint8Array[], durable: boolean): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`
  try {
    const handle = await open(temporary, 'wx', FILE_MODE)
    try {
      let byteOffset = 0
      for (const bytes of texts) {
        await writeFully(handle, bytes, byteOffset)
        byteOffset += bytes.byteLength
      }
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await removeQuietly(temporary)
    throw asIoError(error, path, { byteLength: texts.reduce((sum, bytes) => sum + bytes.byteLength, 0) })
  }
  if (durable) await syncDirectory(dirname(path))
}

/** Removes a file that no longer matters; where even that fails, the error that led here is the one to report. */
export async function removeQuietly(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch {
    // A leftover costs its bytes only: every reader ignores or removes it.
  }
}

async function withFile(path: string, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    const handle = await open(path, 'r')
    try {
      await use(handle)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw asIoError(error, path)
  }
}
