/**
 * What this machine has, as its dpkg status file says. Read again only when the file has changed.
 *
 * Only the structural lines are looked at: the file is the system's own, 3 MB of descriptions and file lists. It is taken whole or
 * not at all: a machine that is taken to have nothing would be told nothing.
 * Source: dpkg(1), "Package states": the last word of Status is the state; only `installed` is.
 */
import { readFile, stat } from 'node:fs/promises'
import { isVersion } from '../schemas/debian-version.ts'
import { FreshetError } from '../schemas/errors.ts'
import { STATUS_FILE_BYTES_MAX, STATUS_FILES_MAX, STATUS_PACKAGES_MAX } from '../schemas/limits.ts'
import { errnoOf } from './durable.ts'

/** Where dpkg keeps it. */
export const SYSTEM_STATUS = '/var/lib/dpkg/status'

/** `NAME ARCHITECTURE` → version. */
export type InstalledPackages = ReadonlyMap<string, string>

interface Kept {
  /** What of the file tells that it has changed. */
  readonly stamp: string
  readonly packages: InstalledPackages
}

export class InstalledStates {
  readonly #kept = new Map<string, Kept>()

  /** @throws FreshetError STATUS_FILE_INVALID. */
  async read(path: string): Promise<InstalledPackages> {
    const before = await stamped(path)
    const known = this.#kept.get(path)
    this.#kept.delete(path)
    const kept = known?.stamp === before ? known : { stamp: before, packages: await readStatus(path) }
    this.#kept.set(path, kept)
    for (const oldest of this.#kept.keys()) if (this.#kept.size > STATUS_FILES_MAX) this.#kept.delete(oldest)
    return kept.packages
  }
}

async function stamped(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path)
    if (size > STATUS_FILE_BYTES_MAX) throw invalid(path, `it has ${size} bytes`)
    return `${mtimeMs} ${size} ${ino}`
  } catch (error) {
    throw error instanceof FreshetError ? error : invalid(path, errnoOf(error) ?? 'it cannot be read')
  }
}

async function readStatus(path: string): Promise<InstalledPackages> {
  try {
    return parseStatus(await readFile(path, 'utf8'), path)
  } catch (error) {
    throw error instanceof FreshetError ? error : invalid(path, errnoOf(error) ?? 'it cannot be read')
  }
}

const LINE = /^(Package|Status|Architecture|Version): *(.*?) *$/

/** @throws FreshetError STATUS_FILE_INVALID. */
function parseStatus(text: string, path: string): InstalledPackages {
  const packages = new Map<string, string>()
  if (text.length > STATUS_FILE_BYTES_MAX) throw invalid(path, `it has more than ${STATUS_FILE_BYTES_MAX} characters`)
  for (const paragraph of text.split(/\n\n+/)) {
    const fields = new Map<string, string>()
    for (const line of paragraph.split('\n')) {
      const [, name, value] = LINE.exec(line) ?? []
      if (name !== undefined && value !== undefined) fields.set(name, value)
    }
    const [name, state, version] = [fields.get('Package'), fields.get('Status'), fields.get('Version')]
    if (name === undefined) {
      if (paragraph.trim() !== '') throw invalid(path, `a paragraph names no package: ${paragraph.slice(0, 60)}`)
      continue
    }
    if (state === undefined) throw invalid(path, `${name.slice(0, 60)} has no Status`)
    if (!state.endsWith(' installed')) continue
    if (version === undefined || !isVersion(version)) throw invalid(path, `${name.slice(0, 60)} has no version`)
    if (packages.size >= STATUS_PACKAGES_MAX) throw invalid(path, `it names more than ${STATUS_PACKAGES_MAX} packages`)
    packages.set(`${name} ${fields.get('Architecture') ?? ''}`, version)
  }
  return packages
}

function invalid(path: string, reason: string): FreshetError {
  return new FreshetError('STATUS_FILE_INVALID', `${path}: ${JSON.stringify(reason)}`, { path })
}
