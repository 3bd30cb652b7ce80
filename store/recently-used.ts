/** A map of at most `countMax` entries; the one that was not used for the longest goes first. */
export class RecentlyUsed<Key, Value> {
  readonly #countMax: number
  readonly #entries = new Map<Key, Value>()

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#countMax) return
      this.#entries.delete(oldest)
    }
  }

  has(key: Key): boolean {
    return this.#entries.has(key)
  }

  keys(): IterableIterator<Key> {
    return this.#entries.keys()
  }
}
