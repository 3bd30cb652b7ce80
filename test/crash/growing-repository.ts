/** A folder of .debs that changes from release to release, and what its releases must hold. */
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { fixture } from '../helpers/pool-fixtures.ts'

export interface ExpectedDeb {
  readonly name: string
  readonly version: string
  readonly sha256: string
  readonly byteLength: number
}

export interface RepositoryOptions {
  readonly directory: string
  readonly smallDebs?: number
  /** Of the large package, which has a new version in every release. */
  readonly largePieces?: number
}

export class GrowingRepository {
  readonly directory: string
  readonly #smallDebs: number
  readonly #largePieces: number
  readonly #debs = new Map<string, ExpectedDeb>()
  readonly #paths = new Map<string, string>()
  #generation = 0

  constructor({ directory, smallDebs = 4, largePieces = 9 }: RepositoryOptions) {
    this.directory = directory
    this.#smallDebs = smallDebs
    this.#largePieces = largePieces
  }

  get source(): object {
    return { kind: 'deb-dir', directory: this.directory }
  }

  /** What an import now would publish, by name. */
  get debs(): readonly ExpectedDeb[] {
    return [...this.#debs.values()]
  }

  /** A new version of one small package and of the large one. */
  async advance(): Promise<void> {
    this.#generation += 1
    const generation = this.#generation
    if (generation === 1) for (let i = 0; i < this.#smallDebs; i++) await this.#put(`small-${i}`, 3000 + i)
    else await this.#put(`small-${generation % this.#smallDebs}`, 3000 + generation)
    await this.#put('large', this.#largePieces * PIECE_BYTES - 1000 - generation)
  }

  async #put(name: string, byteLength: number): Promise<void> {
    const version = String(this.#generation)
    const content = fixture(byteLength, this.#generation * 1000 + this.#debs.size * 7 + name.length).bytes
    const path = await buildDeb(this.directory, {
      name,
      version,
      architecture: 'amd64',
      files: { [`usr/share/${name}`]: content },
      compression: 'none',
    })
    const before = this.#paths.get(name)
    if (before !== undefined) await rm(before)
    const bytes = await readFile(path)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    this.#paths.set(name, path)
    this.#debs.set(name, { name, version, sha256, byteLength: bytes.byteLength })
  }
}

export interface ServedDeb {
  readonly name: string
  readonly version: string
  readonly filename: string
  readonly sha256: string
}

/** The stanzas of a Packages file, as far as the tests need them. */
export function debsIn(packages: string): ServedDeb[] {
  return packages
    .split('\n\n')
    .filter((stanza) => stanza.trim() !== '')
    .map((stanza) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? ''
      return {
        name: field('Package'),
        version: field('Version'),
        filename: field('Filename'),
        sha256: field('SHA256'),
      }
    })
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Name, version and digest of each, ordered: what two views of one release have in common. */
export function summaryOf(debs: readonly { name: string; version: string; sha256: string }[]): string[] {
  return debs.map(({ name, version, sha256: digest }) => `${name} ${version} ${digest}`).toSorted()
}
