/**
 * The newest fetches that ended: what was wanted, and the fact that it was kept or given up, with the report of where it came from.
 *
 * A fold of facts, bounded: the one that ended first is forgotten first. What is wanted and has not ended is not in it.
 */
import type { Fact, FactOf } from '../schemas/journal.ts'
import { FETCHES_REMEMBERED_MAX } from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'

export interface EndedFetch {
  readonly wanted: FactOf<'artifact.wanted'>
  readonly end: FactOf<'artifact.kept' | 'artifact.unavailable'>
}

export class FetchHistory {
  readonly #wanted = new Map<DigestHex, FactOf<'artifact.wanted'>>()
  /** In the order in which they ended. */
  readonly #ended = new Map<DigestHex, EndedFetch>()

  note(fact: Fact): void {
    if (fact.type === 'artifact.wanted') this.#wanted.set(fact.digest, fact)
    else if (fact.type === 'artifact.kept' || fact.type === 'artifact.unavailable') this.#end(fact)
  }

  /** Those that have not ended. */
  get wanted(): readonly FactOf<'artifact.wanted'>[] {
    return [...this.#wanted.values()]
  }

  /** Oldest first. */
  get ended(): Iterable<EndedFetch> {
    return this.#ended.values()
  }

  of(digest: DigestHex): EndedFetch | null {
    return this.#ended.get(digest) ?? null
  }

  /** The fewest facts that fold to the same. */
  get facts(): readonly Fact[] {
    return [...[...this.#ended.values()].flatMap(({ wanted, end }): Fact[] => [wanted, end]), ...this.#wanted.values()]
  }

  clear(): void {
    this.#wanted.clear()
    this.#ended.clear()
  }

  #end(end: EndedFetch['end']): void {
    const wanted = this.#wanted.get(end.digest)
    if (wanted === undefined) return
    this.#wanted.delete(end.digest)
    this.#ended.delete(end.digest)
    this.#ended.set(end.digest, { wanted, end })
    const [oldest] = this.#ended.keys()
    if (oldest !== undefined && this.#ended.size > FETCHES_REMEMBERED_MAX) this.#ended.delete(oldest)
  }
}
