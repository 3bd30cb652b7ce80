/**
 * The metadata document of a channel with all its history: what a maintainer's node edits and an auditor compares.
 *
 * Holds the fold that says which changes count (schemas/metadata-fold.ts), and the Automerge document that makes the next one.
 */
import { decodeChange } from '../schemas/automerge-change.ts'
import { FreshetError } from '../schemas/errors.ts'
import { MetadataFold } from '../schemas/metadata-fold.ts'
import type { ChangePlace, Maintainer } from '../schemas/metadata-fold.ts'
import type { DigestHex, KeyHex } from '../schemas/units.ts'
import type { ReadChange } from './maintainer-log.ts'
import { MetadataDocument } from './metadata-document.ts'
import type { RegisterEdit } from './metadata-document.ts'

export class MetadataDraft {
  readonly fold: MetadataFold
  readonly document: MetadataDocument
  readonly #author: KeyHex
  /** What arrived of each maintainer and is not in the document yet. */
  readonly #arrived = new Map<KeyHex, ReadChange[]>()
  readonly #merged = new Map<KeyHex, number>()
  readonly #places = new Map<DigestHex, ChangePlace>()

  private constructor(author: KeyHex, maintainers: readonly Maintainer[], document: MetadataDocument) {
    this.#author = author
    this.fold = new MetadataFold(maintainers)
    this.document = document
  }

  /** @param author key of the log that changes made here go to. */
  static async create(author: KeyHex, maintainers: readonly Maintainer[]): Promise<MetadataDraft> {
    return new MetadataDraft(author, maintainers, await MetadataDocument.create(author))
  }

  /** How many changes of a maintainer arrived. */
  heardOf(key: KeyHex): number {
    return (this.#merged.get(key) ?? 0) + (this.#arrived.get(key)?.length ?? 0)
  }

  /** Takes up the next change of a maintainer. `merge` brings what counts by then into the document. */
  hear(key: KeyHex, read: ReadChange): void {
    const arrived = this.#arrived.get(key) ?? []
    this.#places.set(read.change.hash, { key, seq: this.heardOf(key) + 1 })
    arrived.push(read)
    this.#arrived.set(key, arrived)
    this.fold.add(key, read)
  }

  merge(): void {
    const fresh: Buffer[] = []
    for (const [key, arrived] of this.#arrived) {
      const merged = this.#merged.get(key) ?? 0
      const counted = arrived.splice(0, this.fold.countOf(key) - merged)
      this.#merged.set(key, merged + counted.length)
      for (const { bytes } of counted) fresh.push(bytes)
    }
    this.document.apply(fresh) // Automerge orders what it is given at once by itself
  }

  /**
   * Makes the author's next change, which counts here at once.
   * @returns null when nothing would change.
   * @throws FreshetError METADATA_INVALID, METADATA_FULL, and CHANGE_* where the author's changes do not count any more.
   */
  edit(edits: readonly RegisterEdit[], message: string | null, timeMs: number): ReadChange | null {
    this.merge()
    const bytes = this.document.edit(edits, message, timeMs)
    if (bytes === null) return null
    const change = decodeChange(bytes)
    const follows = change.deps.map((dep) => this.#places.get(dep) as ChangePlace)
    const made = { bytes, change, follows }
    this.#places.set(change.hash, { key: this.#author, seq: change.seq })
    this.#merged.set(this.#author, change.seq)
    this.fold.add(this.#author, made)
    if (this.fold.countOf(this.#author) === change.seq) return made
    const refusal = this.fold.refusals.find(({ key }) => key === this.#author)
    throw new FreshetError(refusal?.code ?? 'INTERNAL', refusal?.message ?? 'a change of our own does not count')
  }
}
