/**
 * A bounded cache of open files, so that thousands of small reads do not each pay an open(2).
 *
 * Owns the descriptors of the pool, and creates no file. A file in use is never closed under its user; above the bound the longest unused
 * one is closed, and where all are in use the newest is closed as soon as its user is done.
 */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { POOL_OPEN_FILES_MAX } from '../schemas/limits.ts'

interface Entry {
  readonly opened: Promise<FileHandle>
  users: number
  /** No longer in the cache: the last user closes it. */
  dropped: boolean
}

export type FileAccess = 'read' | 'write'

const FLAGS: Record<FileAccess, number> = { read: constants.O_RDONLY, write: constants.O_RDWR }

export class FileHandles {
  readonly #openFilesMax: number
  /** In order of last use, oldest first: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry>()

  constructor(openFilesMax = POOL_OPEN_FILES_MAX) {
    this.#openFilesMax = openFilesMax
  }

  /** Runs `task` with `path` open. One path is always opened with the same access. Errors are the system's own. */
  async use<T>(path: string, access: FileAccess, task: (handle: FileHandle) => Promise<T>): Promise<T> {
    const entry = this.#acquire(path, access)
    try {
      return await task(await entry.opened)
    } finally {
      await this.#release(path, entry)
    }
  }

  /** Forgets `path`, for a file that was renamed, removed or replaced; who is using it now may finish. */
  async drop(path: string): Promise<void> {
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    this.#entries.delete(path)
    entry.dropped = true
    if (entry.users === 0) await closeFile(entry)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((path) => this.drop(path)))
  }

  #acquire(path: string, access: FileAccess): Entry {
    const known = this.#entries.get(path)
    const entry = known ?? { opened: open(path, FLAGS[access]), users: 0, dropped: false }
    entry.users += 1
    this.#entries.delete(path)
    this.#entries.set(path, entry)
    return entry
  }

  async #release(path: string, entry: Entry): Promise<void> {
    entry.users -= 1
    if (entry.users > 0) return
    if (entry.dropped) return closeFile(entry)
    const failed = await entry.opened.then(
      () => false,
      () => true, // the user of this file has the error; the cache must only forget it
    )
    if (failed && this.#entries.get(path) === entry) this.#entries.delete(path)
    await this.#shrink()
  }

  async #shrink(): Promise<void> {
    for (const [path, entry] of this.#entries) {
      if (this.#entries.size <= this.#openFilesMax) return
      if (entry.users === 0) await this.drop(path)
    }
  }
}

async function closeFile(entry: Entry): Promise<void> {
  try {
    await (await entry.opened).close()
  } catch {
    // Nothing hangs on this: what must be on disk was synced by its writer, and a failed open has nothing to close.
  }
}
