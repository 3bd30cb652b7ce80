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
  readonly draft: MetadataDraft

  private constructor(key: KeyHex, draft: MetadataDraft) {
    this.key = key
    this.draft = draft
  }

  static async create(key: KeyHex, list: readonly Maintainer[]): Promise<OfflineMaintainer> {
    return new OfflineMaintainer(key, await MetadataDraft.create(key, list))
  }

  edit(...edits: readonly RegisterEdit[]): ReadChange | null {
    const made = this.draft.edit(edits, null, 0)
    if (made !== null) this.log.push(made)
    return made
  }

  /** The next `count` changes of `source` arrive. */
  hearFrom(source: OfflineMaintainer, count: number): void {
    if (source === this) return
    const from = this.draft.heardOf(source.key)
    for (const change of source.log.slice(from, from + count)) this.draft.hear(source.key, change)
  }
}
