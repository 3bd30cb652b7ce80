/** The real Debian input of the benchmarks: what this machine's apt has downloaded. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { scanPackages } from '../../schemas/stanza.ts'
import type { DigestHex } from '../../schemas/units.ts'
import { readByAptHelper } from '../../tools/import/decompress.ts'

export const SUITE = 'bookworm'
export const INDEX = 'main/binary-amd64/Packages'
export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const LISTS = '/var/lib/apt/lists'
const ARCHIVES = '/var/cache/apt/archives'
const SUFFIXES = ['', '.lz4', '.gz', '.xz', '.zst']

export interface AptLists {
  readonly inRelease: string
  readonly list: string
}

export interface CachedDeb {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly digest: DigestHex
  readonly byteLength: number
  /** In the repository. */
  readonly filename: string
  /** In apt's cache. */
  readonly path: string
}

/** @returns why the benchmark cannot run here, or null. */
export function missingLists(): string | null {
  return findLists() === null ? `apt has no list of ${SUITE} main amd64 here: apt-get update` : null
}

export function aptLists(): AptLists {
  const found = findLists()
  if (found === null) throw new Error('apt has no lists here')
  return found
}

export async function readIndex(): Promise<Buffer> {
  return readByAptHelper(aptLists().list, 2 ** 30)
}

/** .debs of apt's cache that the index names, smallest first. Their bytes are not looked at. */
export function cachedDebs(index: Buffer): CachedDeb[] {
  const here = new Set(existsSync(ARCHIVES) ? readdirSync(ARCHIVES) : [])
  const debs: CachedDeb[] = []
  scanPackages(index, INDEX, (_, { name, version, architecture, digest, byteLength, filename }) => {
    const file = `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`
    const path = join(ARCHIVES, file)
    if (!here.has(file) || statSync(path).size !== byteLength) return
    debs.push({ name, version, architecture, digest, byteLength, filename, path })
  })
  return debs.sort((a, b) => a.byteLength - b.byteLength)
}

function findLists(): AptLists | null {
  if (!existsSync(LISTS)) return null
  const names = readdirSync(LISTS)
  const end = `_dists_${SUITE}_InRelease`
  const inRelease = names.find((name) => name.endsWith(end))
  if (inRelease === undefined) return null
  const base = `${inRelease.slice(0, -'InRelease'.length)}main_binary-amd64_Packages`
  const list = SUFFIXES.map((suffix) => `${base}${suffix}`).find((name) => names.includes(name))
  return list === undefined ? null : { inRelease: join(LISTS, inRelease), list: join(LISTS, list) }
}
