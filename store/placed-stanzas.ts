/**
 * Which stanzas of the log an index file has that was rebuilt from it before, and where in the file.
 *
 * Most of a release stands in the file of the release before: copying it from there costs a tenth of unpacking every block
 * again. Of a release long before or after, hardly a block need not be unpacked all the same. Trusts nothing: whoever builds a file from this checks
 * its SHA-256, and has the log to turn to.
 */
import type { Run } from '../schemas/edit-script.ts'

/** Stanzas first..end of a block stand one after the other in the file, the first of them as its stanza `index`. */
interface Span {
  readonly first: number
  readonly end: number
  readonly index: number
}

/** A run, and which stanza of the file its first one is; none where it is not there. */
export interface FoundRun extends Run {
  readonly index?: number
}

export class PlacedStanzas {
  /** By block, in the order of `first`. */
  readonly #spans = new Map<number, Span[]>()

  /** @param runs what the file was made of. */
  constructor(runs: readonly Run[]) {
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

  /** Cuts runs into what is in the file and what is not, in order. */
  find(runs: readonly Run[]): FoundRun[] {
    const found: FoundRun[] = []
    for (const run of runs) this.#find(run, found)
    return found
  }

  #find({ block, first, count }: Run, found: FoundRun[]): void {
    const end = first + count
    let at = first
    for (const span of this.#spans.get(block) ?? []) {
      if (span.end <= at) continue
      if (span.first >= end || at >= end) break // `at`: spans overlap where a file has a stanza twice
      if (span.first > at) found.push({ block, first: at, count: span.first - at })
      const from = Math.max(at, span.first)
      const until = Math.min(end, span.end)
      found.push({ block, first: from, count: until - from, index: span.index + from - span.first })
      at = until
    }
    if (at < end) found.push({ block, first: at, count: end - at })
  }
}

/** Blocks of the log that have to be read for what is not in the file. */
export function blocksToRead(runs: readonly FoundRun[]): Set<number> {
  const blocks = new Set<number>()
  for (const { block, index } of runs) if (index === undefined) blocks.add(block)
  return blocks
}
