/**
 * Writes one release of a channel into a folder, as a complete apt repository.
 *
 * In this order: packages, from the pool or fetched from peers; then the index files; then the InRelease. So a tree that is half
 * written is never taken for a whole one, and an earlier release in the same folder stays whole until everything of the next one
 * is there. Nothing is removed: who reads the older release goes on reading it.
 */
import { posix } from 'node:path'
import { createHash } from 'node:crypto'
import { clearText } from '../../schemas/clear-text.ts'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import type { ErrorCode } from '../../schemas/errors.ts'
import {
  FETCHES_ACTIVE_MAX,
  SNAPSHOT_FILES_AT_ONCE,
  SNAPSHOT_MISSES_MAX,
  SNAPSHOT_MISSING_LISTED_MAX,
  SNAPSHOT_PROGRESS_MS,
} from '../../schemas/limits.ts'
import { parseRelease } from '../../schemas/release-file.ts'
import type { DigestHex } from '../../schemas/units.ts'
import type { When } from '../../schemas/when.ts'
import type { Snapshot, SnapshotIndex } from '../../store/snapshot.ts'
import { readIndex, readIndexPackages } from '../../store/snapshot-packages.ts'
import type { SnapshotPackage } from '../../store/snapshot-packages.ts'
import { SnapshotTree } from '../../store/snapshot-tree.ts'
import type { Channel } from '../channel.ts'
import type { Session } from '../session.ts'
import { eachOf } from '../../store/each-of.ts'
import { untilAborted } from './fetch-package.ts'
import { wantFile } from './want-file.ts'

export interface SnapshotOrder {
  readonly channel: string
  readonly when: When
  /** Absolute. */
  readonly directory: string
  /** Index files and InRelease only. */
  readonly metadataOnly: boolean
  /** Hard links to files of the pool instead of copies, where that is possible. */
  readonly link: boolean
  /** Files that cannot be had are no reason not to write the InRelease. */
  readonly allowMissing: boolean
}

export interface SnapshotWriteProgress {
  readonly phase: 'snapshot'
  /** Packages of all indexes that were dealt with, of how many, and the bytes of their files. */
  readonly done: number
  readonly total: number
  readonly bytes: number
}

export interface MissingFile {
  readonly path: string
  readonly size: number
  readonly sha256: DigestHex
  readonly code: ErrorCode
}

export interface WrittenSnapshot {
  readonly channel: string
  readonly release: number
  readonly suite: string
  readonly directory: string
  /** Everything is in place, the InRelease too. */
  readonly complete: boolean
  readonly indexes: number
  /** Package files in place, and their bytes: how many were copied, linked, or there before. */
  readonly files: number
  readonly bytes: number
  readonly copied: number
  readonly linked: number
  readonly kept: number
  /** The first of them by order of finding out. */
  readonly missing: readonly MissingFile[]
  readonly missingCount: number
}

/** What no peer and no disk gives: everything else is a failure of the whole. */
const UNAVAILABLE: ReadonlySet<ErrorCode> = new Set(['ARTIFACT_UNAVAILABLE', 'ARTIFACT_MISMATCH', 'NO_PEERS'])
/** The pool has just found out that it does not hold it after all. */
const LOST: ReadonlySet<ErrorCode> = new Set(['POOL_CORRUPT', 'ARTIFACT_NOT_HELD'])

/** @throws FreshetError SNAPSHOT_FOREIGN, FILENAME_UNSAFE, DISK_FULL, INTERRUPTED, and what opening a snapshot throws. */
export async function writeSnapshot(
  session: Session,
  order: SnapshotOrder,
  signal: AbortSignal,
  onProgress: (progress: SnapshotWriteProgress) => void,
): Promise<WrittenSnapshot> {
  const channel = session.channel(order.channel)
  const snapshot = await channel.openSnapshot(order.when)
  try {
    const tree = await SnapshotTree.open(order.directory, { channel: channel.log.id, release: snapshot.release.number })
    try {
      return await new SnapshotWriter({ session, order, channel, snapshot, tree, signal, onProgress }).run()
    } finally {
      await tree.close()
    }
  } finally {
    await snapshot.close()
  }
}

interface Work {
  readonly session: Session
  readonly order: SnapshotOrder
  readonly channel: Channel
  readonly snapshot: Snapshot
  readonly tree: SnapshotTree
  readonly signal: AbortSignal
  readonly onProgress: (progress: SnapshotWriteProgress) => void
}

class SnapshotWriter {
  readonly #work: Work
  readonly #counts = { files: 0, bytes: 0, copied: 0, linked: 0, kept: 0 }
  readonly #missing: MissingFile[] = []
  #missingCount = 0
  /** Since the last file that a peer gave. */
  #missesInARow = 0
  #done = 0
  #reportedAtMs = Number.NEGATIVE_INFINITY
  /** The same package stands in several indexes (Architecture: all); the first one counts, as it does for the gateway. */
  readonly #paths = new Set<string>()

  constructor(work: Work) {
    this.#work = work
  }

  async run(): Promise<WrittenSnapshot> {
    const { snapshot, tree, order, channel } = this.#work
    if (!order.metadataOnly) for (const index of snapshot.indexes) await this.#placePackages(index)
    const complete = this.#missingCount === 0 || order.allowMissing
    if (complete) await this.#placeMetadata()
    await tree.finish(complete)
    const { number, suite } = snapshot.release
    return {
      channel: channel.name,
      release: number,
      suite,
      directory: tree.directory,
      complete,
      indexes: complete ? snapshot.indexes.length : 0,
      ...this.#counts,
      missing: this.#missing,
      missingCount: this.#missingCount,
    }
  }

  /** What is at hand first, then what peers must give: a file that nobody has must not hold up those that are here. */
  async #placePackages(index: SnapshotIndex): Promise<void> {
    const { signal } = this.#work
    const absent: SnapshotPackage[] = []
    const packages = await readIndexPackages(index)
    await eachOf(packages, SNAPSHOT_FILES_AT_ONCE, signal, async (wanted) => {
      const path = pathOf(wanted)
      if (this.#paths.has(path)) return this.#report()
      this.#paths.add(path)
      if (!(await this.#placeHeld(wanted, path))) absent.push(wanted)
    })
    shuffle(absent)
    await eachOf(absent, FETCHES_ACTIVE_MAX, signal, (wanted) => this.#fetch(wanted))
  }

  /** @returns false when the pool does not hold it. */
  async #placeHeld(wanted: SnapshotPackage, path: string): Promise<boolean> {
    const { tree, session } = this.#work
    if (await tree.holds(path, wanted)) {
      this.#count('kept', wanted)
      return true
    }
    if (session.pool.held(wanted.digest)?.byteLength !== wanted.byteLength) return false
    try {
      this.#count(await this.#place(wanted, path), wanted)
      return true
    } catch (error) {
      if (LOST.has(asFreshetError(error).code)) return false
      throw error
    }
  }

  /** Every byte is checked on its way out of the pool, also where the file itself is what the tree gets. */
  async #place(wanted: SnapshotPackage, path: string): Promise<'copied' | 'linked'> {
    const { session, tree, order } = this.#work
    const { digest, byteLength } = wanted
    const bytes = session.pool.stream(digest, 0, byteLength)
    const own = order.link ? session.pool.ownPathOf(digest) : null
    if (own !== null) {
      for await (const chunk of bytes) void chunk
      if (await tree.link(path, own)) return 'linked'
    }
    await tree.write(path, own === null ? bytes : session.pool.stream(digest, 0, byteLength), wanted)
    return 'copied'
  }

  async #fetch(wanted: SnapshotPackage): Promise<void> {
    const { session, channel, snapshot, signal } = this.#work
    const { digest, byteLength } = wanted
    try {
      if (this.#isHopeless()) throw new FreshetError('ARTIFACT_UNAVAILABLE', 'not asked for: nobody has its like')
      const artifact = { digest, byteLength, piecesRoot: await channel.rootOf(snapshot.release, wanted) }
      await untilAborted(wantFile(session, channel, artifact, wanted), signal)
      this.#count(await this.#place(wanted, pathOf(wanted)), wanted)
      this.#missesInARow = 0
    } catch (error) {
      const { code } = asFreshetError(error)
      if (!UNAVAILABLE.has(code)) throw error
      this.#missesInARow++
      this.#missingCount++
      if (this.#missing.length < SNAPSHOT_MISSING_LISTED_MAX) {
        this.#missing.push({ path: pathOf(wanted), size: byteLength, sha256: digest, code })
      }
      this.#report()
    }
  }

  #isHopeless(): boolean {
    const { session, channel } = this.#work
    const alone = (session.network?.peerCount ?? 0) === 0 && session.mirrorsOf(channel.key).length === 0
    return this.#missesInARow >= (alone ? 1 : SNAPSHOT_MISSES_MAX)
  }

  /** Index files under the names of their hashes first: those change nothing for a reader of an earlier release. */
  async #placeMetadata(): Promise<void> {
    const { snapshot, tree, signal } = this.#work
    const { inRelease, indexes, release } = snapshot
    const root = `dists/${release.suite}`
    const byHash = parseRelease(clearText(inRelease).toString()).acquireByHash
    const hashed = ({ path, digest }: SnapshotIndex): string =>
      `${root}/${posix.dirname(path)}/by-hash/SHA256/${digest}`
    const place = async (index: SnapshotIndex, path: string): Promise<void> => {
      if (!(await tree.holds(path, index))) await tree.write(path, [await readIndex(index)], index)
    }
    if (byHash) await eachOf(indexes, 1, signal, (index) => place(index, hashed(index)))
    await tree.sync()
    await eachOf(indexes, 1, signal, async (index) => {
      const path = `${root}/${index.path}`
      if (!byHash) return place(index, path)
      if (!(await tree.holds(path, index))) await tree.alias(path, hashed(index), await readIndex(index), index)
    })
    await tree.sync()
    const digest = createHash('sha256').update(inRelease).digest('hex')
    await tree.write(`${root}/InRelease`, [inRelease], { byteLength: inRelease.byteLength, digest })
  }

  #count(how: 'copied' | 'linked' | 'kept', { byteLength }: SnapshotPackage): void {
    this.#counts.files++
    this.#counts.bytes += byteLength
    this.#counts[how]++
    this.#report()
  }

  #report(): void {
    this.#done++
    if (performance.now() - this.#reportedAtMs < SNAPSHOT_PROGRESS_MS) return
    this.#reportedAtMs = performance.now()
    const { snapshot, onProgress } = this.#work
    onProgress({ phase: 'snapshot', done: this.#done, total: snapshot.packageCount, bytes: this.#counts.bytes })
  }
}

/** @throws FreshetError FILENAME_UNSAFE for a package that would stand where the indexes do. */
function pathOf({ filename }: SnapshotPackage): string {
  const path = filename.startsWith('./') ? filename.slice(2) : filename
  if (path !== 'dists' && !path.startsWith('dists/')) return path
  throw new FreshetError('FILENAME_UNSAFE', `a package is called ${JSON.stringify(filename)}`, { path })
}

/** At random, so that the first of them tell how it is with the rest. */
function shuffle(items: unknown[]): void {
  for (let i = items.length - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    ;[items[i], items[other]] = [items[other], items[i]]
  }
}
