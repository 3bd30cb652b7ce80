/**
 * The metadata document as Automerge has it, for those who write it: makes the changes, merges them, gives them out whole.
 *
 * The only file that imports Automerge. Only changes that count (schemas/metadata-fold.ts) reach it, and only after
 * schemas/automerge-change.ts has read them completely: its WebAssembly believes whatever a change claims. Who only reads
 * a channel's metadata never loads it.
 */
import type { OpId } from '../schemas/automerge-change.ts'
import { requireRegister } from '../schemas/metadata-paths.ts'
import { FreshetError } from '../schemas/errors.ts'
import { CHANGE_BYTES_MAX, CHANGE_MESSAGE_BYTES_MAX, CHANGE_OPS_MAX } from '../schemas/limits.ts'
import { keyHex } from '../schemas/units.ts'
import type { KeyHex } from '../schemas/units.ts'

export interface RegisterEdit {
  readonly path: string
  /** Null: the register is emptied. */
  readonly value: string | null
}

const ROOT = '_root'

type Backend = ReturnType<(typeof import('@automerge/automerge'))['getBackend']>

export class MetadataDocument {
  readonly #backend: Backend

  private constructor(backend: Backend) {
    this.#backend = backend
  }

  /** @param actor key of the log that changes made here go to. */
  static async create(actor: KeyHex): Promise<MetadataDocument> {
    const { getBackend, init } = await import('@automerge/automerge')
    return new MetadataDocument(getBackend(init({ actor })))
  }

  /** The same from what `save` gave, for any author. @throws FreshetError STORE_FAILED. */
  static async load(saved: Uint8Array, actor: KeyHex): Promise<MetadataDocument> {
    const { getBackend, load } = await import('@automerge/automerge')
    try {
      return new MetadataDocument(getBackend(load(saved, { actor })))
    } catch (error) {
      throw new FreshetError('STORE_FAILED', 'a saved metadata document cannot be loaded', {}, error)
    }
  }

  /** Changes that count, in any order in which none comes before what it follows. */
  apply(changes: readonly Uint8Array[]): void {
    if (changes.length > 0) this.#backend.applyChanges([...changes])
  }

  /**
   * Makes one change, and has it. The caller must append it to the author's log before it makes the next one, or drop this document.
   * @returns null when nothing would change.
   * @throws FreshetError METADATA_INVALID, METADATA_FULL.
   */
  edit(edits: readonly RegisterEdit[], message: string | null, timeMs: number): Buffer | null {
    for (const { path, value } of edits) requireRegister(path, value)
    if (Buffer.byteLength(message ?? '') > CHANGE_MESSAGE_BYTES_MAX) throw full('a message', CHANGE_MESSAGE_BYTES_MAX)
    if (edits.length > CHANGE_OPS_MAX) throw full(`${edits.length} operations`, CHANGE_OPS_MAX)
    for (const { path, value } of edits) this.#put(path, value)
    if (this.#backend.commit(message, Math.floor(timeMs / 1000)) === null) return null
    const change = this.#backend.getLastLocalChange()
    if (change === undefined || change === null) throw new FreshetError('INTERNAL', 'Automerge made no change')
    if (change.byteLength > CHANGE_BYTES_MAX) throw full(`a change of ${change.byteLength} bytes`, CHANGE_BYTES_MAX)
    return Buffer.from(change)
  }

  /** Values of a register, the one that Automerge shows last. */
  values(path: string): (OpId & { readonly value: string })[] {
    return this.#backend.getAll(ROOT, path).map((entry) => {
      const [, value, id] = entry as [string, string, string]
      const [counter = '', actor = ''] = id.split('@')
      return { value, counter: Number(counter), actor: keyHex(Buffer.from(actor, 'hex')) }
    })
  }

  get paths(): string[] {
    return this.#backend.keys(ROOT)
  }

  /** Hashes of the changes that no other one follows. */
  get tips(): string[] {
    return this.#backend.getHeads().toSorted()
  }

  /** All of it, with its history, for `load`. */
  save(): Uint8Array {
    return this.#backend.save()
  }

  #put(path: string, value: string | null): void {
    const known = this.#backend.getAll(ROOT, path) as [string, string, string][]
    if (value === null) return this.#backend.delete(ROOT, path)
    if (known.length === 1 && known[0]?.[1] === value) return
    // Of several values Automerge would keep the one that is put again, as its first author's: who decided would be lost.
    if (known.length > 1) this.#backend.delete(ROOT, path)
    this.#backend.put(ROOT, path, value, 'str')
  }
}

function full(what: string, max: number): FreshetError {
  return new FreshetError('METADATA_FULL', `${what} exceeds the bound of ${max}`)
}
