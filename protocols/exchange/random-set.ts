/** A set of numbers of which some can be drawn by chance without looking at the others. */
export class RandomSet {
  readonly #values: number[] = []
  readonly #places = new Map<number, number>()

  get size(): number {
    return this.#values.length
  }

  has(value: number): boolean {
    return this.#places.has(value)
  }

  add(value: number): void {
    if (this.#places.has(value)) return
    this.#places.set(value, this.#values.length)
    this.#values.push(value)
  }

  delete(value: number): void {
    const place = this.#places.get(value)
    if (place === undefined) return
    this.#places.delete(value)
    const last = this.#values.pop()
    if (last === undefined || last === value) return
    this.#values[place] = last
    this.#places.set(last, place)
  }

  /** Up to `count` neighbours from a place drawn by `random` (from 0 to below 1); nothing twice. Do not change the set meanwhile. */
  *sample(count: number, random: () => number): IterableIterator<number> {
    const { length } = this.#values
    const start = Math.floor(random() * length)
    for (let step = 0; step < Math.min(count, length); step++) {
      const value = this.#values[(start + step) % length]
      if (value !== undefined) yield value
    }
  }
}
