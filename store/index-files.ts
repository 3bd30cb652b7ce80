/**
 * Rebuilt index files on disk, by SHA-256: `indexes/<digest>`. Derived from the log; safe to delete.
 *
 * Rebuilding copies what the file of the release before has, fetches the stanza blocks for the rest, unpacks them on the
 * thread pool a few blocks ahead, and checks size and SHA-256 before the file gets its name. A file that is there is the
 * right one.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FreshetError } from '../schemas/errors.ts'
import type { Run } from '../schemas/edit-script.ts'
import { INDEX_BYTES_MAX, INDEX_FILES_IDLE_BYTES_MAX, INDEX_FILES_IDLE_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'
import { parseDigest } from '../schemas/units.ts'
import { writeDurably } from './durable.ts'
import { requireSpace } from './free-space.ts'
import type { PlannedIndex } from './release-block.ts'
import { PlacedStanzas } from './placed-stanzas.ts'
import type { FoundRun } from './placed-stanzas.ts'
import type { ReleaseLog } from './release-log.ts'
import { readStanzas } from './stanza-block.ts'
import type { StanzaBlock } from './stanza-block.ts'

/** Blocks being unpacked or waiting to be copied: 16 of 256 KiB. */
const BLOCKS_AHEAD = 16

export class IndexFiles {
  readonly #directory: string
  /** One rebuild per file, whoever asks. */
  readonly #building = new Map<DigestHex, Promise<string>>()
  /** Files that an open snapshot serves, with the number of snapshots: never removed. */
  readonly #retained = new Map<DigestHex, number>()
  /** The newest file made of each index of each log: most of the next one stands in it. */
  readonly #newest = new Map<string, PlannedIndex>()

  readonly #idleBytesMax: number

  private constructor(directory: string, idleBytesMax: number) {
    this.#directory = directory
    this.#idleBytesMax = idleBytesMax
  }

  static async open(directory: string, idleBytesMax: number = INDEX_FILES_IDLE_BYTES_MAX): Promise<IndexFiles> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(directory)) {
      if (parseDigest(name) === null) await rm(join(directory, name), { force: true }) // left by a crash
    }
    return new IndexFiles(directory, idleBytesMax)
  }

  /** @returns the path of the file, or null when it has not been rebuilt yet. */
  held(digest: DigestHex): string | null {
    const path = join(this.#directory, digest)
    return existsSync(path) ? path : null
  }

  /**
   * @returns the path of the rebuilt file.
   * @throws FreshetError SNAPSHOT_MISMATCH when the log does not give the file it promised; NO_PEERS; DISK_FULL.
   */
  async ensure(
    log: ReleaseLog,
    index: PlannedIndex,
    onProgress: (done: number, total: number) => void = () => {},
  ): Promise<string> {
    const held = this.held(index.digest)
    if (held !== null) return this.#made(log, index)
    const running = this.#building.get(index.digest)
    if (running !== undefined) return running
    const building = this.#rebuild(log, index, onProgress).finally(() => this.#building.delete(index.digest))
    this.#building.set(index.digest, building)
    return building
  }

  async #rebuild(
    log: ReleaseLog,
    index: PlannedIndex,
    onProgress: (done: number, total: number) => void,
  ): Promise<string> {
    const before = await this.#before(log, index)
    try {
      if (before !== null) await this.store(index.digest, await assemble(log, index, before, onProgress))
    } catch (error) {
      // The file before may be damaged, or cut elsewhere than the log says: the log itself decides.
      if (!(error instanceof FreshetError) || error.code !== 'SNAPSHOT_MISMATCH') throw error
    }
    if (this.held(index.digest) === null) {
      await this.store(index.digest, await assemble(log, index, null, onProgress))
    }
    return this.#made(log, index)
  }

  #made({ key }: ReleaseLog, index: PlannedIndex): string {
    this.#newest.set(`${key} ${index.path}`, index)
    return join(this.#directory, index.digest)
  }

  async #before({ key }: ReleaseLog, { path }: PlannedIndex): Promise<PlacedStanzas | null> {
    const newest = this.#newest.get(`${key} ${path}`)
    const held = newest === undefined ? null : this.held(newest.digest)
    if (newest === undefined || held === null) return null
    const bytes = await readFile(held).catch(() => null) // unreadable or gone: the log has it all
    return bytes === null ? null : PlacedStanzas.of(bytes, newest.runs)
  }

  /** Keeps bytes that are known to have this digest (the publisher has just read them). */
  async store(digest: DigestHex, bytes: Buffer): Promise<void> {
    const path = join(this.#directory, digest)
    await requireSpace(this.#directory, bytes.byteLength, path)
    await writeDurably(path, bytes)
    await this.#prune(digest)
  }

  /** An open snapshot serves this file. @returns what ends that; call it once. */
  retain(digest: DigestHex): () => void {
    this.#retained.set(digest, (this.#retained.get(digest) ?? 0) + 1)
    return () => {
      const left = (this.#retained.get(digest) ?? 1) - 1
      if (left === 0) this.#retained.delete(digest)
      else this.#retained.set(digest, left)
    }
  }

  /** The oldest go first: by when they were made, because many file systems do not note when a file is read. */
  async #prune(keep: DigestHex): Promise<void> {
    const digests = (await readdir(this.#directory)).map(parseDigest).filter((digest) => digest !== null)
    const idle: { path: string; atMs: number; byteLength: number }[] = []
    for (const digest of digests) {
      if (digest === keep || this.#retained.has(digest)) continue
      const path = join(this.#directory, digest)
      const stats = await stat(path).catch(() => null) // another prune was here first
      if (stats !== null) idle.push({ path, atMs: stats.mtimeMs, byteLength: stats.size })
    }
    let [count, bytes] = [0, 0]
    for (const { path, byteLength } of idle.sort((a, b) => b.atMs - a.atMs)) {
      count++
      bytes += byteLength
      if (count > INDEX_FILES_IDLE_MAX || bytes > this.#idleBytesMax) await rm(path, { force: true })
    }
  }
}

/** @throws FreshetError SNAPSHOT_MISMATCH unless the bytes are those of `index`; NO_PEERS, EVENT_INVALID. */
async function assemble(
  log: ReleaseLog,
  index: PlannedIndex,
  before: PlacedStanzas | null,
  onProgress: (done: number, total: number) => void,
): Promise<Buffer> {
  if (index.byteLength > INDEX_BYTES_MAX) throw mismatch(index, `exceeds ${INDEX_BYTES_MAX} bytes`)
  const parts = index.runs.flatMap((run) => (before === null ? [absent(run)] : [...before.find(run)]))
  const missing = parts.filter(({ text }) => text === null)
  const blocks = [...new Set(missing.map(({ block }) => block))]
  await log.download(blocks, (done) => onProgress(done, blocks.length))
  const bytes = Buffer.allocUnsafe(index.byteLength)
  const unpacked = readInOrder(log, index, missing)
  let at = 0
  for (const { text } of parts) {
    const source = text ?? ((await unpacked.next()).value as Buffer)
    if (at + source.byteLength > bytes.byteLength) throw mismatch(index, 'is longer than promised')
    at += source.copy(bytes, at)
  }
  if (at !== bytes.byteLength) throw mismatch(index, `has ${at} bytes instead of ${bytes.byteLength}`)
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (digest !== index.digest) throw mismatch(index, `has SHA-256 ${digest}`)
  return bytes
}

function absent(run: Run): FoundRun {
  return { ...run, text: null }
}

/** The text of each run, unpacked a few blocks ahead. */
async function* readInOrder(log: ReleaseLog, index: PlannedIndex, runs: readonly Run[]): AsyncGenerator<Buffer> {
  const ahead = new Map<number, Promise<StanzaBlock>>()
  for (const [position, run] of runs.entries()) {
    for (const next of runs.slice(position, position + BLOCKS_AHEAD)) {
      if (!ahead.has(next.block)) ahead.set(next.block, quiet(readStanzas(log, next.block)))
    }
    const { text, offsets } = await (ahead.get(run.block) as Promise<StanzaBlock>)
    const start = offsets[run.first]
    const end = offsets[run.first + run.count]
    if (start === undefined || end === undefined) throw mismatch(index, `needs stanzas that block ${run.block} lacks`)
    yield text.subarray(start, end)
    for (const block of ahead.keys()) {
      if (ahead.size <= 2 * BLOCKS_AHEAD) break
      if (block !== run.block) ahead.delete(block)
    }
  }
}

/** A read-ahead that fails is reported where it is awaited, not as an unhandled rejection. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function mismatch({ path, digest }: PlannedIndex, what: string): FreshetError {
  return new FreshetError('SNAPSHOT_MISMATCH', `the rebuilt ${path} ${what}`, { path, digest })
}
