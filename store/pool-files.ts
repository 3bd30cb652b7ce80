/**
 * Where an artifact lives below the pool's directory, and which files are there.
 *
 * Owns the names: `ab/<sha256>` whole, `.part` and `.map` while incomplete, `.layer` beside several pieces, `.corrupt` set
 * aside. A folder is listed when first asked about and kept in memory afterwards: one process owns a pool (the lock of the
 * home sees to that), so nobody else adds to it. Leftovers of writes cut short are removed at that moment.
 */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseDigest, type DigestHex } from '../schemas/units.ts'
import { asIoError, DIRECTORY_MODE, syncDirectory, TEMPORARY_SUFFIX } from './durable.ts'

interface Folder {
  readonly byteLengths: Map<DigestHex, number>
  readonly partial: Set<DigestHex>
}

const PREFIXES = Array.from({ length: 256 }, (_, prefix) => prefix.toString(16).padStart(2, '0'))

export class PoolFiles {
  readonly directory: string
  readonly #folders = new Map<string, Folder>()

  private constructor(directory: string) {
    this.directory = directory
  }

  /** All 256 folders are made at once, with one fsync, instead of one by one in the middle of downloads. */
  static async open(directory: string): Promise<PoolFiles> {
    try {
      await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
      const present = new Set(await readdir(directory))
      const missing = PREFIXES.filter((prefix) => !present.has(prefix))
      for (const prefix of missing) await mkdir(join(directory, prefix), { mode: DIRECTORY_MODE })
    } catch (error) {
      throw asIoError(error, directory)
    }
    await syncDirectory(directory)
    return new PoolFiles(directory)
  }

  path(digest: DigestHex, suffix: '' | '.part' | '.map' | '.layer' | '.corrupt' = ''): string {
    return join(this.folderPath(digest), `${digest}${suffix}`)
  }

  /** Asking for it clears the leftovers in it, so nobody writes there before that. */
  folderPath(digest: DigestHex): string {
    this.#folder(digest)
    return join(this.directory, digest.slice(0, 2))
  }

  /** @returns bytes of the whole artifact, or null when it is not here. */
  byteLength(digest: DigestHex): number | null {
    return this.#folder(digest).byteLengths.get(digest) ?? null
  }

  setWhole(digest: DigestHex, byteLength: number | null): void {
    const folder = this.#folder(digest)
    if (byteLength === null) folder.byteLengths.delete(digest)
    else folder.byteLengths.set(digest, byteLength)
  }

  setPartial(digest: DigestHex, present: boolean): void {
    const folder = this.#folder(digest)
    if (present) folder.partial.add(digest)
    else folder.partial.delete(digest)
  }

  /** Lists every folder that nobody asked about yet: about a second for a million artifacts, once. */
  totals(): { artifacts: number; bytes: number; partial: number } {
    const sum = { artifacts: 0, bytes: 0, partial: 0 }
    for (const prefix of PREFIXES) {
      const { byteLengths, partial } = this.#load(prefix)
      sum.artifacts += byteLengths.size
      sum.partial += partial.size
      for (const byteLength of byteLengths.values()) sum.bytes += byteLength
    }
    return sum
  }

  #folder(digest: DigestHex): Folder {
    return this.#load(digest.slice(0, 2))
  }

  #load(prefix: string): Folder {
    const known = this.#folders.get(prefix)
    if (known !== undefined) return known
    const path = join(this.directory, prefix)
    const folder: Folder = { byteLengths: new Map(), partial: new Set() }
    try {
      const maps = readdirSync(path).map((name) => sortName(path, name, folder))
      dropLeftovers(path, folder, maps)
    } catch (error) {
      throw asIoError(error, path)
    }
    this.#folders.set(prefix, folder)
    return folder
  }
}

/** @returns the digest when `name` is a `.map`. */
function sortName(path: string, name: string, folder: Folder): DigestHex | null {
  if (name.endsWith(TEMPORARY_SUFFIX)) rmSync(join(path, name), { force: true })
  const digest = parseDigest(name.slice(0, 64))
  if (digest === null) return null
  if (name === digest) {
    const stats = statSync(join(path, name))
    if (stats.isFile()) folder.byteLengths.set(digest, stats.size)
  } else if (name === `${digest}.part`) folder.partial.add(digest)
  return name === `${digest}.map` ? digest : null
}

/** The process died between the rename of a finished artifact and the removal of what belonged to its download. */
function dropLeftovers(path: string, folder: Folder, maps: readonly (DigestHex | null)[]): void {
  for (const digest of folder.partial) {
    if (!folder.byteLengths.has(digest)) continue
    rmSync(join(path, `${digest}.part`), { force: true })
    folder.partial.delete(digest)
  }
  for (const digest of maps) {
    if (digest !== null && !folder.partial.has(digest)) rmSync(join(path, `${digest}.map`), { force: true })
  }
}
