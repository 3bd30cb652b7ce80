/**
 * Reads inside one directory and nowhere else: a name that leads outside, also through a symbolic link, is FILENAME_UNSAFE.
 *
 * The check is of the real path, at the moment of the question; it guards against a repository that lies about names, not
 * against a user of this machine who changes links meanwhile (what is read is hashed anyway).
 */
import { open, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { FreshetError } from '../../schemas/errors.ts'
import { repositoryPathFault } from '../../schemas/repository-path.ts'

const ABSENT = new Set(['ENOENT', 'ENOTDIR'])

export interface FileTree {
  /** Real path of the directory. */
  readonly root: string
  /**
   * @returns real path and size of the regular file `path`, or null when there is none.
   * @throws FreshetError FILENAME_UNSAFE, SOURCE_UNAVAILABLE
   */
  find(path: string): Promise<{ realPath: string; byteLength: number } | null>
}

/** @throws FreshetError SOURCE_UNAVAILABLE unless `directory` is one */
export async function openFileTree(directory: string): Promise<FileTree> {
  const root = await realpath(directory).catch((error: unknown) => {
    throw unavailable(directory, error)
  })
  if (!(await stat(root)).isDirectory()) throw unavailable(directory, new Error('not a directory'))
  const prefix = root.endsWith(sep) ? root : `${root}${sep}`
  return {
    root,
    find: async (path) => {
      const fault = repositoryPathFault(path)
      if (fault !== null) throw unsafe(path, fault)
      const full = join(root, path)
      try {
        const realPath = await realpath(full)
        if (!realPath.startsWith(prefix)) throw unsafe(path, 'leads out of its directory')
        const stats = await stat(realPath)
        return stats.isFile() ? { realPath, byteLength: stats.size } : null
      } catch (error) {
        if (ABSENT.has((error as NodeJS.ErrnoException).code ?? '')) return null
        if (error instanceof FreshetError) throw error
        throw unavailable(full, error)
      }
    },
  }
}

/**
 * @param byteLengthMax a longer file is `tooLong`; nothing beyond it is read, also when the file grows meanwhile.
 * @throws FreshetError SOURCE_UNAVAILABLE, or what `tooLong` returns
 */
export async function readFileBounded(
  path: string,
  byteLengthMax: number,
  tooLong: (byteLength: number) => FreshetError,
): Promise<Buffer> {
  try {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      if (size > byteLengthMax) throw tooLong(size)
      const bytes = Buffer.alloc(size)
      let filled = 0
      while (filled < size) {
        const { bytesRead } = await handle.read(bytes, filled, size - filled, filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof FreshetError) throw error
    throw unavailable(path, error)
  }
}

function unsafe(path: string, fault: string): FreshetError {
  return new FreshetError('FILENAME_UNSAFE', `the path ${JSON.stringify(path)} ${fault}`, { path })
}

function unavailable(path: string, error: unknown): FreshetError {
  const reason = error instanceof Error ? error.message : String(error)
  return new FreshetError('SOURCE_UNAVAILABLE', `${path} cannot be read: ${reason}`, { path }, error)
}
