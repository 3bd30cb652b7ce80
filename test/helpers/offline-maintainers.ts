/** Maintainers of one document, each on a machine of their own, who hear of each other's changes when the test says so. */
import { createHash } from 'node:crypto'
import type { Maintainer } from '../../schemas/metadata-fold.ts'
import { type KeyHex, keyHex } from '../../schemas/units.ts'
import type { ReadChange } from '../../store/maintainer-log.ts'
import type { RegisterEdit } from '../../store/metadata-document.ts'
import { MetadataDraft } from '../../store/metadata-draft.ts'

export function maintainerKey(number: number): KeyHex {
  return keyHex(createHash('sha256').update(`maintainer ${number}`).digest())
}

export function maintainerList(count: number): Maintainer[] {
  return Array.from({ length: count }, (_, i) => ({ key: maintainerKey(i), name: `m${i}`, lastChange: null }))
}

export class OfflineMaintainer {
  readonly key: KeyHex
  readonly log: ReadChange[] = []
  #list: readonly Maintainer[]
  #draft: MetadataDraft

  private constructor(key: KeyHex, list: readonly Maintainer[], draft: MetadataDraft) {
    this.key = key
    this.#list = list
    this.#draft = draft
  }

  static async create(key: KeyHex, list: readonly Maintainer[]): Promise<OfflineMaintainer> {
    return new OfflineMaintainer(key, list, await MetadataDraft.create(key, list))
  }

  get draft(): MetadataDraft {
    return this.#draft
  }

  edit(...edits: readonly RegisterEdit[]): ReadChange | null {
    const made = this.draft.edit(edits, null, 0)
    if (made !== null) this.log.push(made)
    return made
  }

  /** The next `count` changes of `source` arrive, as far as the list lets them count. */
  hearFrom(source: OfflineMaintainer, count: number): void {
    if (source === this) return
    const from = this.draft.heardOf(source.key)
    const listed = this.#list.find(({ key }) => key === source.key)
    const last = listed === undefined ? 0 : (listed.lastChange ?? source.log.length)
    for (const change of source.log.slice(from, Math.min(from + count, last))) this.draft.hear(source.key, change)
  }

  /** A newer list of maintainers arrives: what was heard of them so far is heard again. */
  async relist(list: readonly Maintainer[], all: readonly OfflineMaintainer[]): Promise<void> {
    const before = this.#draft
    this.#list = list
    this.#draft = await MetadataDraft.create(this.key, list)
    for (const change of this.log) this.#draft.hear(this.key, change)
    for (const source of all) this.hearFrom(source, before.heardOf(source.key))
  }
}
