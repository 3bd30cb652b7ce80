/**
 * Look-ups in one rebuilt index file: package by name, artifact by file name, without keeping 50 MB of text in memory.
 *
 * Holds typed arrays only (offsets, and ordinals sorted by a 32-bit hash of name and file name; 24 bytes per stanza) and an
 * open file; a look-up reads the few stanzas whose hash matches and compares the real text. The file is immutable.
 */
import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { readPackageStanza, scanPackages } from '../schemas/stanza.ts'
import type { PackageStanza } from '../schemas/stanza.ts'
import { FreshetError } from '../schemas/errors.ts'

export interface FoundStanza extends PackageStanza {
  /** Position of the stanza in its index file, from 0. */
  readonly ordinal: number
  /** The stanza verbatim, with the blank lines that follow it. */
  readonly text: Buffer
}

export class Catalogue {
  readonly path: string
  readonly #file: FileHandle
  readonly #offsets: Uint32Array
  readonly #byName: HashTable
  readonly #byFilename: HashTable

  private constructor(path: string, file: FileHandle, offsets: Uint32Array, byName: HashTable, byFilename: HashTable) {
    this.path = path
    this.#file = file
    this.#offsets = offsets
    this.#byName = byName
    this.#byFilename = byFilename
  }

  /** @param path names the index in errors; `filePath` is where it lies. */
  static async open(path: string, filePath: string): Promise<Catalogue> {
    const names: number[] = []
    const filenames: number[] = []
    const offsets = scanPackages(await readFile(filePath), path, (_, { name, filename }) => {
      names.push(hashOf(name))
      filenames.push(hashOf(plainPath(filename)))
    })
    return new Catalogue(path, await open(filePath, 'r'), offsets, new HashTable(names), new HashTable(filenames))
  }

  get count(): number {
    return this.#byName.count
  }

  async byName(name: string): Promise<FoundStanza[]> {
    const found = await this.#read(this.#byName.candidates(hashOf(name)))
    return found.filter((stanza) => stanza.name === name)
  }

  /** `filename` as in the stanza, relative to the repository root; a leading `./` does not count. */
  async byFilename(filename: string): Promise<FoundStanza | null> {
    const wanted = plainPath(filename)
    const found = await this.#read(this.#byFilename.candidates(hashOf(wanted)))
    return found.find((stanza) => plainPath(stanza.filename) === wanted) ?? null
  }

  async stanza(ordinal: number): Promise<FoundStanza> {
    const start = this.#offsets[ordinal]
    const end = this.#offsets[ordinal + 1]
    if (start === undefined || end === undefined) {
      throw new FreshetError('PACKAGE_UNKNOWN', `${this.path} has no stanza ${ordinal}`, { ordinal })
    }
    const text = Buffer.alloc(end - start)
    await this.#file.read(text, 0, text.byteLength, start)
    return { ordinal, text, ...readPackageStanza(text, 0, text.byteLength, `${this.path} stanza ${ordinal + 1}`) }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #read(ordinals: readonly number[]): Promise<FoundStanza[]> {
    const found: FoundStanza[] = []
    for (const ordinal of ordinals) found.push(await this.stanza(ordinal))
    return found
  }
}

/** Ordinals sorted by hash: binary search instead of a map of strings. */
class HashTable {
  readonly count: number
  readonly #hashes: Uint32Array
  readonly #ordinals: Uint32Array

  constructor(hashes: readonly number[]) {
    this.count = hashes.length
    this.#ordinals = Uint32Array.from(hashes.keys()).sort(
      (a, b) => (hashes[a] as number) - (hashes[b] as number) || a - b,
    )
    this.#hashes = Uint32Array.from(this.#ordinals, (ordinal) => hashes[ordinal] as number)
  }

  candidates(hash: number): number[] {
    let low = 0
    let high = this.#hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#hashes[middle] as number) < hash) low = middle + 1
      else high = middle
    }
    const found: number[] = []
    for (let i = low; this.#hashes[i] === hash; i++) found.push(this.#ordinals[i] as number)
    return found
  }
}

function plainPath(filename: string): string {
  return filename.startsWith('./') ? filename.slice(2) : filename
}

/** FNV-1a over UTF-16 units: spreads well enough, and a collision only costs one more stanza read. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
