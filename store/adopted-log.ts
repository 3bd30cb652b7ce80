/**
 * Files already on the machine (apt's cache, a mirror's pool) that stand in for artifacts without being copied.
 *
 * Owns `adopted.log`: one checksummed line per file, appended and synced once per batch (a sidecar file per artifact
 * would cost 1,600 fsyncs for one apt cache). The files stay their owner's: one whose size, modification time or inode
 * changed is forgotten without an error. Refuses to trust a damaged line; such a log is written anew at open.
 * Line: first 16 hex characters of SHA-256(JSON), space, JSON. `{"forget": digest}` ends an earlier line.
 */
import { createHash } from 'node:crypto'
import { statSync, type Stats } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseDigest, type DigestHex } from '../schemas/units.ts'
import { asIoError, errnoOf, FILE_MODE, syncDirectory, writeDurably } from './durable.ts'

export interface AdoptedFile {
  readonly digest: DigestHex
  /** Absolute. */
  readonly path: string
  readonly byteLength: number
  readonly mtimeMs: number
  readonly inode: number
}

const CHECK_CHARACTERS = 16

export class AdoptedLog {
  readonly #path: string
  readonly #files: Map<DigestHex, AdoptedFile>
  /** Appends run one after the other, so that a failed one cannot tear its neighbour. */
  #tail: Promise<void> = Promise.resolve()

  private constructor(path: string, files: Map<DigestHex, AdoptedFile>) {
    this.#path = path
    this.#files = files
  }

  static async open(path: string): Promise<AdoptedLog> {
    const text = await readText(path)
    const { files, wasteful } = parseLog(text ?? '')
    if (text === null || wasteful) await writeDurably(path, Buffer.from(formatLines([...files.values()])))
    return new AdoptedLog(path, files)
  }

  get digests(): DigestHex[] {
    return [...this.#files.keys()]
  }

  /** @returns the file, looked at just now; null when there is none or it is no longer the one that was hashed. */
  get(digest: DigestHex): AdoptedFile | null {
    const file = this.#files.get(digest)
    if (file === undefined) return null
    if (isSame(file, statOrNull(file.path))) return file
    this.#files.delete(digest) // not written down: the next open sees the same difference
    return null
  }

  /** Durable for all of `files` when it returns. */
  async add(files: readonly AdoptedFile[]): Promise<void> {
    if (files.length === 0) return
    await this.#append(formatLines(files), true)
    for (const file of files) this.#files.set(file.digest, file)
  }

  /** For a file whose stat did not change but whose content did, or one that the pool has a copy of. */
  async forget(digest: DigestHex): Promise<void> {
    if (!this.#files.delete(digest)) return
    await this.#append(formatLines([{ forget: digest }]), false)
  }

  async close(): Promise<void> {
    await this.#tail
  }

  #append(lines: string, durable: boolean): Promise<void> {
    const appended = this.#tail.then(() => appendLines(this.#path, lines, durable))
    this.#tail = appended.catch(() => {
      // The caller has this error; the next append starts on a line of its own and is not concerned.
    })
    return appended
  }
}

/** @returns the file as it is now, ready to be recorded under `digest`. */
export function describeFile(digest: DigestHex, path: string, stats: Stats): AdoptedFile {
  return { digest, path, byteLength: stats.size, mtimeMs: stats.mtimeMs, inode: stats.ino }
}

export function isSame(file: AdoptedFile, stats: Stats | null): boolean {
  return (
    stats !== null &&
    stats.isFile() &&
    stats.size === file.byteLength &&
    stats.mtimeMs === file.mtimeMs &&
    stats.ino === file.inode
  )
}

function statOrNull(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null
  } catch {
    return null // unreadable, a loop, no longer a directory above it: not usable, which is all that is asked here
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw asIoError(error, path)
  }
}

async function appendLines(path: string, lines: string, durable: boolean): Promise<void> {
  try {
    const handle = await open(path, 'a', FILE_MODE)
    try {
      // The leading newline ends what an append cut short may have left.
      await handle.appendFile(`\n${lines}`)
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw asIoError(error, path, { byteLength: lines.length })
  }
  if (durable) await syncDirectory(dirname(path))
}

function formatLines(records: readonly (AdoptedFile | { forget: DigestHex })[]): string {
  return records
    .map((record) => {
      const json = JSON.stringify(record)
      return `${checkOf(json)} ${json}\n`
    })
    .join('')
}

/** `wasteful`: a line is damaged, or most lines no longer count. */
function parseLog(text: string): { files: Map<DigestHex, AdoptedFile>; wasteful: boolean } {
  const files = new Map<DigestHex, AdoptedFile>()
  const lines = text.split('\n').filter((line) => line !== '')
  let damaged = false
  for (const line of lines) {
    const record = parseLine(line)
    if (record === null) damaged = true
    else if ('forget' in record) files.delete(record.forget)
    else files.set(record.digest, record)
  }
  return { files, wasteful: damaged || lines.length > 2 * files.size + 16 }
}

function parseLine(line: string): AdoptedFile | { forget: DigestHex } | null {
  const json = line.slice(CHECK_CHARACTERS + 1)
  if (line[CHECK_CHARACTERS] !== ' ' || line.slice(0, CHECK_CHARACTERS) !== checkOf(json)) return null
  const record: unknown = JSON.parse(json) // its checksum holds: we wrote it
  if (typeof record !== 'object' || record === null) return null
  if ('forget' in record) {
    const forget = parseDigest(String(record.forget))
    return forget === null ? null : { forget }
  }
  const { digest, path, byteLength, mtimeMs, inode } = record as Record<keyof AdoptedFile, unknown>
  const known = parseDigest(String(digest))
  if (known === null || typeof path !== 'string') return null
  if (typeof byteLength !== 'number' || typeof mtimeMs !== 'number' || typeof inode !== 'number') return null
  return { digest: known, path, byteLength, mtimeMs, inode }
}

function checkOf(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, CHECK_CHARACTERS)
}
