/**
 * The text of stanzas by their place in the log, taken from an index file that was rebuilt from it before.
 *
 * Most of a release stands in the file of the release before: copying it from there costs a tenth of unpacking every block
 * again. Trusts nothing: whoever builds a file from this checks its SHA-256, and has the log to turn to.
 */
import { stanzaCount } from '../schemas/edit-script.ts'
import type { Run } from '../schemas/edit-script.ts'
import { splitStanzas } from '../schemas/stanza.ts'

/** Stanzas first..end of a block stand one after the other in the file, the first of them as its stanza `index`. */
interface Span {
  readonly first: number
  readonly end: number
  readonly index: number
}

/** `text`: where it is in the file; none: not there, and neither are the `count` stanzas from here on. */
export interface FoundRun extends Run {
  readonly text?: Buffer
}

export class PlacedStanzas {
  readonly #bytes: Buffer
  readonly #offsets: Uint32Array
  /** By block, in the order of `first`. */
  readonly #spans = new Map<number, Span[]>()

  private constructor(bytes: Buffer, offsets: Uint32Array, runs: readonly Run[]) {
    this.#bytes = bytes
    this.#offsets = offsets
    let index = 0
    for (const { block, first, count } of runs) {
      const spans = this.#spans.get(block)
      const span = { first, end: first + count, index }
      if (spans === undefined) this.#spans.set(block, [span])
      else spans.push(span)
      index += count
    }
    for (const spans of this.#spans.values()) spans.sort((a, b) => a.first - b.first)
  }

  /** @returns null when the file does not have as many stanzas as its runs: a publisher may cut its text elsewhere than we do. */
  static of(bytes: Buffer, runs: readonly Run[]): PlacedStanzas | null {
    const offsets = splitStanzas(bytes)
    return offsets.length - 1 === stanzaCount(runs) ? new PlacedStanzas(bytes, offsets, runs) : null
  }

  /** Cuts `run` into what is in the file and what is not, in order. */
  *find({ block, first, count }: Run): Generator<FoundRun> {
    const end = first + count
    let at = first
    for (const span of this.#spans.get(block) ?? []) {
      if (span.end <= at) continue
      if (span.first >= end || at >= end) break // `at`: spans overlap where a file has a stanza twice
      if (span.first > at) yield { block, first: at, count: span.first - at }
      const from = Math.max(at, span.first)
      const until = Math.min(end, span.end)
      yield {
        block,
        first: from,
        count: until - from,
        text: this.#textOf(span.index + from - span.first, until - from),
      }
      at = until
    }
    if (at < end) yield { block, first: at, count: end - at }
  }

  #textOf(index: number, count: number): Buffer {
    return this.#bytes.subarray(this.#offsets[index], this.#offsets[index + count])
  }
}
