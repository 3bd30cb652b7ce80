/**
 * One Corestore per home: opening, durable commits across cores, and what a failed write means.
 *
 * Hypercore acknowledges an append before it is on disk, and announces it to peers at once. After a power cut the publisher
 * would have lost what its followers already hold, and its next append would contradict it for good. So whatever this node
 * signs goes through `commit`: one atom over all cores involved, its write-ahead log fsynced BEFORE the cores announce it.
 *
 * A write that failed poisons the store instance (RocksDB answers every later one with "Batch was not applied"): the
 * instance is marked failed, and its owner must close it and open another one.
 */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import Corestore from 'corestore'
import type { CoreOptions } from 'corestore'
import type Hypercore from 'hypercore'
import { FreshetError } from '../schemas/errors.ts'
import { asIoError, errnoOf, syncDirectory, syncFile } from './durable.ts'
import { isFull, requireSpace } from './free-space.ts'
import { watchWrites } from './watch-writes.ts'

/** Corestore's device file: inode and attribute of the original, and the lock. */
const MARK = 'CORESTORE'

/** Writes through sessions that all belong to one atom. */
export type Write<T> = (sessionOf: (core: Hypercore) => Promise<Hypercore>) => Promise<T>

export class Store {
  readonly directory: string
  readonly cores: Corestore
  /** Set once by the first failed write; every later use is refused with it. */
  #failure: FreshetError | null = null
  /** One commit after the other: an atom copies the state of a core when it begins, and two would overwrite each other. */
  #committed: Promise<unknown> = Promise.resolve()
  readonly #onFailure: (failure: FreshetError) => void

  private constructor(directory: string, cores: Corestore, onFailure: (failure: FreshetError) => void) {
    this.directory = directory
    this.cores = cores
    this.#onFailure = onFailure
  }

  /** @throws FreshetError STORE_LOCKED, STORE_COPIED, DISK_FULL, STORE_FAILED. */
  static async open(directory: string, onFailure: (failure: FreshetError) => void = () => {}): Promise<Store> {
    await dropUnwrittenMark(directory)
    const cores = new Corestore(directory)
    try {
      await cores.ready()
    } catch (error) {
      await cores.close().catch(() => {}) // the first error is the one to report
      throw openError(error, directory)
    }
    const store = new Store(directory, cores, onFailure)
    watchWrites(cores, (error) => void store.#fail(error)) // never rejects
    // The seed from which every key derives is in the write-ahead log only: without this a young store loses its identity.
    try {
      await store.sync()
    } catch (error) {
      await store.close() // or the lock would stay with an instance that nobody has
      throw error
    }
    return store
  }

  /**
   * A session of a core, ready for use. Refuses rewrites: set on the replicator too, because a core that replication opened first
   * ignores the option.
   * @throws FreshetError DISK_FULL, STORE_FAILED: a core that is new here writes when it is opened.
   */
  async core(options: CoreOptions): Promise<Hypercore> {
    const core = this.cores.get({ ...options, allowFork: false })
    await this.guard(core.ready())
    core.core.replicator.allowFork = false
    return core
  }

  /** Whether this store has made a core of that name. */
  async hasNamed(name: string): Promise<boolean> {
    return (await this.cores.storage.getAlias({ name, namespace: this.cores.ns })) !== null
  }

  get failure(): FreshetError | null {
    return this.#failure
  }

  /**
   * Runs `write`, whose appends to the sessions it asks for stay invisible; then makes all of them durable; then lets the cores
   * announce them. When anything throws, nothing was appended.
   */
  commit<T>(write: Write<T>): Promise<T> {
    return this.#inTurn(write, true)
  }

  /** Runs `write` as `commit` would and keeps nothing of it: what the cores would hold can be read from its sessions. */
  rehearse<T>(write: Write<T>): Promise<T> {
    return this.#inTurn(write, false)
  }

  #inTurn<T>(write: Write<T>, keep: boolean): Promise<T> {
    const running = this.#committed.then(() => this.#inAtom(write, keep))
    this.#committed = running.catch(() => {}) // whoever asked for it has the error; the next one only waits
    return running
  }

  async #inAtom<T>(write: Write<T>, keep: boolean): Promise<T> {
    if (this.#failure !== null) throw this.#failure
    const atom = this.cores.storage.createAtom()
    const sessions: Hypercore[] = []
    const sessionOf = async (core: Hypercore): Promise<Hypercore> => {
      const session = core.session({ atom })
      sessions.push(session)
      await session.ready()
      return session
    }
    try {
      const result = await write(sessionOf)
      if (!keep) return result // an atom that is never flushed is gone
      const announcements = atom.flushes.splice(0)
      atom.onflush(async () => {
        await this.sync()
        for (const announce of announcements) await announce()
      })
      await this.guard(atom.flush())
      return result
    } finally {
      for (const session of sessions) await session.close() // a core takes part in one atom at a time
    }
  }

  /** Waits for a write of the store; a failure is translated, and final for this instance. */
  async guard<T>(write: Promise<T>): Promise<T> {
    try {
      return await write
    } catch (error) {
      throw await this.#fail(error)
    }
  }

  /** fsync of RocksDB's write-ahead logs: what was written before this call survives a power cut after it. */
  async sync(): Promise<void> {
    const database = join(this.directory, 'db')
    const logs = (await readdir(database)).filter((name) => name.endsWith('.log'))
    for (const name of logs) await syncUnlessGone(join(database, name))
    await syncDirectory(database)
    await syncFile(join(this.directory, MARK))
    await syncDirectory(this.directory)
  }

  /** @throws FreshetError DISK_FULL before a write of about `byteLength` would fail half-way and cost the instance. */
  async requireSpace(byteLength: number): Promise<void> {
    await requireSpace(this.directory, byteLength)
  }

  async close(): Promise<void> {
    try {
      await this.cores.close()
    } catch (error) {
      // A core that failed to open fails to close, and Corestore then keeps the lock: nobody could open the store again.
      await this.cores.storage.close()
      if (this.#failure === null) throw error
    }
  }

  /** A failed fsync is as final as a failed write: what RocksDB has and what this instance believes differ from then on. */
  async #fail(error: unknown): Promise<FreshetError> {
    const failure = error instanceof FreshetError ? error : await writeError(error, this.directory)
    if (this.#failure === null) {
      this.#failure = failure
      this.#onFailure(failure)
    }
    return this.#failure
  }
}

/** RocksDB removes a write-ahead log once its content is in a table file that is on disk itself. */
async function syncUnlessGone(path: string): Promise<void> {
  try {
    await syncFile(path)
  } catch (error) {
    if (!(error instanceof FreshetError) || error.detail['errno'] !== 'ENOENT') throw error
  }
}

/**
 * A crash in the very first start leaves the file by which a store knows that it was copied empty, and the store would call
 * itself a copy for ever. `sync` writes it out before anything is acknowledged, so an empty one belongs to a store without content.
 */
async function dropUnwrittenMark(directory: string): Promise<void> {
  const path = join(directory, MARK)
  try {
    if ((await stat(path)).size === 0) await rm(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw asIoError(error, path)
  }
}

function openError(error: unknown, directory: string): FreshetError {
  const message = error instanceof Error ? error.message : String(error)
  if (message.includes('could not be locked') || message.includes('lock hold by')) {
    return new FreshetError('STORE_LOCKED', `${directory} is in use by another process`, { path: directory }, error)
  }
  if (message.includes('Invalid device file')) {
    return new FreshetError('STORE_COPIED', `${directory} was copied from another place`, { path: directory }, error)
  }
  if (/No space left|ENOSPC/i.test(message)) {
    return new FreshetError('DISK_FULL', `no space to open ${directory}`, { path: directory }, error)
  }
  return new FreshetError('STORE_FAILED', `${directory} cannot be opened: ${message}`, { path: directory }, error)
}

/** RocksDB drops the errno of a failed write; how full the disk is tells the commonest cause apart. */
async function writeError(error: unknown, directory: string): Promise<FreshetError> {
  const io = asIoError(error, directory)
  if (io.code === 'DISK_FULL') return io
  if (await isFull(directory)) {
    return new FreshetError('DISK_FULL', `no space is left for ${directory}`, { path: directory }, error)
  }
  const message = error instanceof Error ? error.message : String(error)
  return new FreshetError('STORE_FAILED', `a write to ${directory} failed: ${message}`, { path: directory }, error)
}
