/** Blocks that one peer waits for: what was handed to it before what it may have from others as well, each oldest first. */
/** Blocks among which the next one is chosen: a piece. */
const LOOKED_AT_MAX = 16

export class BlockQueue {
  readonly #first = new Set<number>()
  readonly #rest = new Set<number>()

  get size(): number {
    return this.#first.size + this.#rest.size
  }

  has(block: number): boolean {
    return this.#first.has(block) || this.#rest.has(block)
  }

  add(block: number, isFirst: boolean): void {
    if (!this.has(block)) (isFirst ? this.#first : this.#rest).add(block)
  }

  delete(block: number): boolean {
    return this.#first.delete(block) || this.#rest.delete(block)
  }

  /** The next to leave: of the oldest, the one that was sent to fewest. @returns undefined when it is empty. */
  peek(sent: Uint16Array): number | undefined {
    let next: number | undefined
    let least = Number.POSITIVE_INFINITY
    let looked = 0
    for (const block of this.#first.size > 0 ? this.#first : this.#rest) {
      const times = sent[block] ?? 0
      if (times < least) [next, least] = [block, times]
      if (least === 0 || ++looked >= LOOKED_AT_MAX) break
    }
    return next
  }
}
