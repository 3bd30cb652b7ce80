/**
 * Which stanzas are equal, byte for byte, over all index files of two releases, and where in the log each one's text is.
 *
 * This is how a publisher finds out what a release must add to its log:
 *
 *   const table = new StanzaTable()
 *   const after = table.add(newList)                      // each index of the release to come
 *   const before = table.addCopies(oldList)               // each index of the release before, in one list or several
 *   table.placeRuns(before, oldRuns)                      // ... and its runs
 *   for (const id of table.unplaced()) {                  // every text that no block has yet, once
 *     table.place(id, block, first)                       // ... packed into new blocks from table.textOf(id)
 *   }
 *   const script = table.script(before, after)            // for each index; [] as `before` for a new one
 *
 * A stanza that occurs twice (Architecture: all in several indexes), has moved, or comes back is stored once: it gets the
 * position of the text that is already there. Of a list given to `add` the table keeps a view, of one given to `addCopies` what
 * it did not know.
 */
import { hash } from 'node:crypto'
import { type EditOp, type Run, diffSequences, pushRun, stanzaCount } from './edit-script.ts'
import { FreshetError } from './errors.ts'

/** Stanza i is bytes[offsets[i]..offsets[i + 1]], as schemas/stanza.ts cuts them. */
export interface StanzaList {
  readonly bytes: Buffer
  readonly offsets: Uint32Array
}

/** What stands for "no release before": every stanza is inserted. */
export const NO_STANZAS = new Int32Array(0)

/** The quick hash can be made to collide on purpose; beyond this many, SHA-256 tells stanzas apart. */
const COLLISIONS_MAX = 16

/** What the table holds on to of a text that it did not know. */
type Keep = (text: Buffer) => Buffer

export class StanzaTable {
  readonly #texts: Buffer[] = []
  /** Position of the text of each id; -1: not in the log yet. */
  readonly #blocks: number[] = []
  readonly #firsts: number[] = []
  /** Ids by quick hash: the newest, and for each id the next one of the same hash. */
  readonly #heads = new Map<number, number>()
  readonly #next: number[] = []
  readonly #crowded = new Map<string, number>()

  /** Number of different stanzas; ids count from 0. */
  get size(): number {
    return this.#texts.length
  }

  /** @returns the id of each stanza of `list`, whose bytes must stay as they are. */
  add(list: StanzaList): Int32Array {
    return this.#add(list, (text) => text)
  }

  /** The same for a list whose bytes will be used again. Quick where the table knows most of it. */
  addCopies(list: StanzaList): Int32Array {
    return this.#add(list, (text) => Buffer.from(text))
  }

  #add({ bytes, offsets }: StanzaList, keep: Keep): Int32Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const ids = new Int32Array(Math.max(0, offsets.length - 1))
    for (let index = 0; index < ids.length; index++) {
      ids[index] = this.#idOf(bytes, view, offsets[index] ?? 0, offsets[index + 1] ?? 0, keep)
    }
    return ids
  }

  /**
   * Says that the texts of `ids` are in the log already, as `runs`. Of several places the first counts.
   * @throws FreshetError EVENT_INVALID when `runs` are not as many stanzas as `ids`
   */
  placeRuns(ids: Int32Array, runs: readonly Run[]): void {
    if (stanzaCount(runs) !== ids.length) {
      throw new FreshetError('EVENT_INVALID', `runs of ${stanzaCount(runs)} stanzas for an index of ${ids.length}`)
    }
    let index = 0
    for (const { block, first, count } of runs) {
      for (let offset = 0; offset < count; offset++, index++) {
        const id = ids[index] ?? 0
        if (this.#blocks[id] === -1) this.place(id, block, first + offset)
      }
    }
  }

  /** @returns ids of the stanzas whose text is nowhere in the log, in the order in which they were added. */
  unplaced(): number[] {
    const ids: number[] = []
    this.#blocks.forEach((block, id) => {
      if (block === -1) ids.push(id)
    })
    return ids
  }

  /** @returns a view of the text, blank lines after it included. */
  textOf(id: number): Buffer {
    const text = this.#texts[id]
    if (text === undefined) throw new RangeError(`no stanza ${id}`)
    return text
  }

  /** Says that the text of `id` is stanza `first` of log block `block`. */
  place(id: number, block: number, first: number): void {
    if (id < 0 || id >= this.size) throw new RangeError(`no stanza ${id}`)
    this.#blocks[id] = block
    this.#firsts[id] = first
  }

  /** @returns where the text of `id` is; block -1: not in the log yet. */
  placeOf(id: number): { block: number; first: number } {
    return { block: this.#blocks[id] ?? -1, first: this.#firsts[id] ?? -1 }
  }

  /** The script from one index to another, as `add` and `addCopies` returned them. All of `after` must be placed. */
  script(before: Int32Array, after: Int32Array): EditOp[] {
    const ops: EditOp[] = []
    for (const op of diffSequences(before, after)) {
      if (op.op !== 'insert') ops.push({ op: op.op, count: op.count })
      else
        for (const run of this.#runsOf(after.subarray(op.first, op.first + op.count)))
          ops.push({ op: 'insert', ...run })
    }
    return ops
  }

  #runsOf(ids: Int32Array): Run[] {
    const runs: Run[] = []
    for (const id of ids) {
      const block = this.#blocks[id] ?? -1
      const first = this.#firsts[id] ?? -1
      if (block === -1) throw new RangeError(`stanza ${id} was not placed`)
      pushRun(runs, block, first, 1)
    }
    return runs
  }

  #idOf(bytes: Buffer, view: DataView, start: number, end: number, keep: Keep): number {
    const quick = quickHash(view, start, end)
    const head = this.#heads.get(quick) ?? -1
    let collisions = 0
    for (let id = head; id !== -1; id = this.#next[id] ?? -1) {
      const text = this.textOf(id)
      if (text.length === end - start && bytes.compare(text, 0, text.length, start, end) === 0) return id
      collisions++
    }
    if (collisions < COLLISIONS_MAX) {
      const id = this.#insert(keep(bytes.subarray(start, end)), head)
      this.#heads.set(quick, id)
      return id
    }
    const digest = hash('sha256', bytes.subarray(start, end), 'base64')
    const known = this.#crowded.get(digest)
    if (known !== undefined) return known
    const id = this.#insert(keep(bytes.subarray(start, end)), -1)
    this.#crowded.set(digest, id)
    return id
  }

  #insert(text: Buffer, next: number): number {
    this.#blocks.push(-1)
    this.#firsts.push(-1)
    this.#next.push(next)
    return this.#texts.push(text) - 1
  }
}

/** Four bytes a step: 50 MB in some 30 ms. Only ever decides which texts are worth comparing. */
function quickHash(view: DataView, start: number, end: number): number {
  let mixed = end - start
  let at = start
  for (const last = end - 4; at <= last; at += 4) {
    mixed = Math.imul(mixed ^ view.getInt32(at, true), 0x5bd1_e995)
    mixed ^= mixed >>> 15
  }
  for (; at < end; at++) mixed = Math.imul(mixed ^ view.getUint8(at), 0x0100_0193)
  return mixed | 0
}
