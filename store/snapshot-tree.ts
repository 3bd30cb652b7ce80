/**
 * A folder that becomes an apt repository: files appear in it whole, verified, under their final name, or not at all.
 *
 *   DIR/.freshet-snapshot        which channel and release is written here, and whether all of it is here
 *   DIR/.freshet-snapshot.tmp/   files under way; leftovers of a run that was cut short are removed by the next
 *   DIR/dists/..., DIR/pool/...  the repository
 *
 * Refuses a folder that holds anything else than an earlier write of the same channel, a path that leads outside or through a
 * symbolic link, and bytes that are not those expected. Files are readable for everybody: other users' apt reads them.
 */
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, link, lstat, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FreshetError } from '../schemas/errors.ts'
import { SNAPSHOT_MARKER_BYTES_MAX } from '../schemas/limits.ts'
import { repositoryPathFault } from '../schemas/repository-path.ts'
import { asIoError, errnoOf, removeQuietly, syncDirectory, writeFully, writeWhole } from './durable.ts'
import { requireSpace } from './free-space.ts'
import { Hasher } from './hasher.ts'

const MARKER = '.freshet-snapshot'
const TEMPORARY = '.freshet-snapshot.tmp'
const TREE_FILE_MODE = 0o644
const TREE_DIRECTORY_MODE = 0o755
const LINKED_FILE_MODE = 0o444
/** What a filesystem says that makes no hard link here: another disk, none at all, too many, or not to this file. */
const LINK_REFUSALS: ReadonlySet<string | null> = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS', 'EACCES'])

export interface TreeMark {
  /** z-base-32. */
  readonly channel: string
  readonly release: number
}

export interface ExpectedFile {
  readonly byteLength: number
  /** SHA-256, hexadecimal. */
  readonly digest: string
}

export class SnapshotTree {
  /** With every symbolic link on the way to it resolved. */
  readonly directory: string
  readonly #mark: TreeMark
  readonly #hasher = new Hasher()
  /** Folders below it that are known to be folders, by path. */
  readonly #folders = new Set<string>()
  /** Those whose newest names may not be on disk yet. */
  readonly #unsynced = new Set<string>()

  private constructor(directory: string, mark: TreeMark) {
    this.directory = directory
    this.#mark = mark
  }

  /** @throws FreshetError SNAPSHOT_FOREIGN, DISK_FULL, IO_ERROR. */
  static async open(directory: string, mark: TreeMark): Promise<SnapshotTree> {
    try {
      await mkdir(directory, { recursive: true, mode: TREE_DIRECTORY_MODE })
      const tree = new SnapshotTree(await realpath(directory), mark)
      await tree.#claim()
      await rm(join(tree.directory, TEMPORARY), { recursive: true, force: true })
      await mkdir(join(tree.directory, TEMPORARY), { mode: 0o700 })
      return tree
    } catch (error) {
      throw asIoError(error, directory)
    }
  }

  /** Whether the file is here already, with exactly these bytes: they are read and hashed, whatever its date says. */
  async holds(path: string, { byteLength, digest }: ExpectedFile): Promise<boolean> {
    const target = this.#pathOf(path)
    await this.#folder(dirname(path))
    try {
      const stats = await lstat(target)
      if (!stats.isFile() || stats.size !== byteLength) return false
      return (await this.#hasher.hash(target, byteLength)).digest === digest
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw asIoError(error, target)
    }
  }

  /** @throws FreshetError ARTIFACT_MISMATCH, DISK_FULL, IO_ERROR, FILENAME_UNSAFE, and what `source` throws. */
  async write(path: string, source: AsyncIterable<Buffer> | Iterable<Buffer>, expected: ExpectedFile): Promise<void> {
    await requireSpace(this.directory, expected.byteLength, this.#pathOf(path))
    await this.#place(path, (temporary) => writeVerified(temporary, source, expected))
  }

  /**
   * Another name for a file of this tree, which costs nothing; a copy where the filesystem has no such names.
   * @param original path of a file that was written in this run or found by `holds`.
   */
  async alias(path: string, original: string, bytes: Buffer, expected: ExpectedFile): Promise<void> {
    const linked = await this.#place(path, (temporary) => tryLink(this.#pathOf(original), temporary))
    if (!linked) await this.write(path, [bytes], expected)
  }

  /**
   * A hard link to a file outside, which becomes read-only: whoever wrote into one would write into the other.
   * @param source whose bytes the caller answers for.
   * @returns false when it cannot be linked to from here.
   */
  async link(path: string, source: string): Promise<boolean> {
    return this.#place(path, async (temporary) => {
      if (!(await tryLink(source, temporary))) return false
      await chmod(temporary, LINKED_FILE_MODE)
      return true
    })
  }

  /**
   * Says whether everything is in place now. Names are on disk when this returns.
   * @throws FreshetError DISK_FULL, IO_ERROR.
   */
  async finish(complete: boolean): Promise<void> {
    await this.sync()
    await this.#writeMark(complete)
  }

  /** Waits until the names of everything that was placed are on disk. */
  async sync(): Promise<void> {
    for (const folder of this.#unsynced) await syncDirectory(join(this.directory, folder))
    this.#unsynced.clear()
  }

  async close(): Promise<void> {
    await this.#hasher.close()
    await rm(join(this.directory, TEMPORARY), { recursive: true, force: true }).catch(() => {}) // the next run removes it
  }

  async #claim(): Promise<void> {
    const names = (await readdir(this.directory)).filter((name) => !name.startsWith(`${MARKER}.`))
    if (names.length > 0) await this.#requireOurs()
    await this.#writeMark(false)
  }

  async #requireOurs(): Promise<void> {
    const foreign = (what: string): FreshetError =>
      new FreshetError('SNAPSHOT_FOREIGN', `${this.directory} ${what}`, { path: this.directory })
    const text = await readSmall(join(this.directory, MARKER))
    if (text === null) throw foreign('is not empty and was not written by freshet snapshot')
    const channel = channelOf(text)
    if (channel !== this.#mark.channel) throw foreign(`holds channel ${channel ?? 'unknown'}`)
  }

  async #writeMark(complete: boolean): Promise<void> {
    const mark = { format: 1, ...this.#mark, complete }
    await writeWhole(join(this.directory, MARKER), Buffer.from(`${JSON.stringify(mark)}\n`))
  }

  /** Makes a file under a temporary name, and gives it its own. @returns false when `make` says that there is none. */
  async #place(path: string, make: (temporary: string) => Promise<boolean>): Promise<boolean> {
    const target = this.#pathOf(path)
    await this.#folder(dirname(path))
    const temporary = join(this.directory, TEMPORARY, randomBytes(12).toString('hex'))
    try {
      if (!(await make(temporary))) return false
      await rename(temporary, target)
      this.#unsynced.add(dirname(path))
      return true
    } catch (error) {
      throw asIoError(error, target)
    } finally {
      await removeQuietly(temporary) // rename leaves it where both names were the same file already
    }
  }

  /** @throws FreshetError FILENAME_UNSAFE. */
  #pathOf(path: string): string {
    const fault = repositoryPathFault(path) ?? (path.startsWith(MARKER) ? 'is ours' : null)
    if (fault === null && !path.startsWith('./')) return join(this.directory, path)
    throw new FreshetError('FILENAME_UNSAFE', `the path ${JSON.stringify(path)} ${fault ?? 'is not plain'}`, { path })
  }

  /** Makes the folder, and refuses to go through anything that is none: a symbolic link would lead outside. */
  async #folder(path: string): Promise<void> {
    if (path === '.' || this.#folders.has(path)) return
    await this.#folder(dirname(path))
    const folder = join(this.directory, path)
    try {
      await mkdir(folder, { mode: TREE_DIRECTORY_MODE })
      this.#unsynced.add(dirname(path))
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw asIoError(error, folder)
      const stats = await lstat(folder)
      if (!stats.isDirectory()) {
        throw new FreshetError('FILENAME_UNSAFE', `${folder} is in the way: it is no folder`, { path: folder })
      }
    }
    this.#folders.add(path)
  }
}

async function writeVerified(
  path: string,
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  { byteLength, digest }: ExpectedFile,
): Promise<boolean> {
  const hash = createHash('sha256')
  const handle = await open(path, 'wx', TREE_FILE_MODE)
  try {
    let at = 0
    for await (const chunk of source) {
      hash.update(chunk)
      await writeFully(handle, chunk, at)
      at += chunk.byteLength
    }
    const found = hash.digest('hex')
    if (at !== byteLength || found !== digest) {
      throw new FreshetError('ARTIFACT_MISMATCH', `${at} bytes with SHA-256 ${found} instead of ${digest}`, { digest })
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return true
}

async function tryLink(source: string, path: string): Promise<boolean> {
  try {
    await link(source, path)
    return true
  } catch (error) {
    if (LINK_REFUSALS.has(errnoOf(error))) return false
    throw error
  }
}

/** @returns the text of a small file; null when there is none, or when it is no plain file. */
async function readSmall(path: string): Promise<string | null> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const bytes = Buffer.alloc(SNAPSHOT_MARKER_BYTES_MAX)
      const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, 0)
      return bytes.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EISDIR'].includes(errnoOf(error) ?? '')) return null
    throw error
  }
}

/** @returns null for a marker that is not ours. */
function channelOf(text: string): string | null {
  try {
    const { channel } = JSON.parse(text) as { channel?: unknown }
    return typeof channel === 'string' ? channel : null
  } catch {
    return null // not JSON: not ours
  }
}
