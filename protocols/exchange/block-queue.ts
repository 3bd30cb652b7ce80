/** Blocks that one peer waits for: what was handed to it before what it may have from others as well, each oldest first. */
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

  /** @returns undefined when it is empty. */
  peek(): number | undefined {
    const [block] = this.#first.size > 0 ? this.#first : this.#rest
    return block
  }
}
