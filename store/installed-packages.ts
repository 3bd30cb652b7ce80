/** What a machine has, as its dpkg status file says. Kept, and read again only when the file has changed. */
import { readFile, stat } from 'node:fs/promises'
import { FreshetError } from '../schemas/errors.ts'
import { readInstalled, statusInvalid } from '../schemas/installed-packages.ts'
import type { InstalledPackage } from '../schemas/installed-packages.ts'
import { STATUS_BYTES_MAX, STATUS_FILES_MAX } from '../schemas/limits.ts'
import { RelationParser } from '../schemas/relation.ts'
import { errnoOf } from './durable.ts'

/** Where dpkg keeps it. */
export const SYSTEM_STATUS = '/var/lib/dpkg/status'

interface Kept {
  /** What of the file tells that it has changed. */
  readonly stamp: string
  readonly packages: readonly InstalledPackage[]
}

export class InstalledStates {
  readonly #kept = new Map<string, Kept>()

  /** @throws FreshetError STATUS_INVALID. */
  async read(path: string): Promise<readonly InstalledPackage[]> {
    const before = await stamped(path)
    const known = this.#kept.get(path)
    this.#kept.delete(path)
    const kept =
      known?.stamp === before ? known : { stamp: before, packages: await readStatusFile(path, new RelationParser()) }
    this.#kept.set(path, kept)
    for (const oldest of this.#kept.keys()) if (this.#kept.size > STATUS_FILES_MAX) this.#kept.delete(oldest)
    return kept.packages
  }
}

/** @throws FreshetError STATUS_INVALID, also where it cannot be read. */
export async function readStatusFile(path: string, parser: RelationParser): Promise<InstalledPackage[]> {
  await stamped(path) // bounds what is read
  return readInstalled(await orInvalid(path, readFile(path)), path, parser)
}

async function stamped(path: string): Promise<string> {
  const { mtimeMs, size, ino } = await orInvalid(path, stat(path))
  if (size > STATUS_BYTES_MAX) throw statusInvalid(path, `it has ${size} bytes, more than ${STATUS_BYTES_MAX}`)
  return `${mtimeMs} ${size} ${ino}`
}

async function orInvalid<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    throw error instanceof FreshetError ? error : statusInvalid(path, errnoOf(error) ?? 'it cannot be read')
  }
}
