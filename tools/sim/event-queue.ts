/** What happens when, in a world whose clock jumps from one event to the next. Equal times keep the order in which they were added. */
interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class EventQueue {
  nowMs = 0
  readonly #heap: Event[] = []
  #added = 0

  add(atMs: number, run: () => void): void {
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#added++, run }
    let at = this.#heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = this.#heap[parent]
      if (above === undefined || !isBefore(event, above)) break
      this.#heap[at] = above
      at = parent
    }
    this.#heap[at] = event
  }

  /** Runs the next event. @returns false when there is none. */
  step(): boolean {
    const next = this.#heap[0]
    if (next === undefined) return false
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) this.#sink(last)
    this.nowMs = next.atMs
    next.run()
    return true
  }

  #sink(event: Event): void {
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [first, second] = [this.#heap[left], this.#heap[left + 1]]
      if (first === undefined) break
      const [child, place] = second !== undefined && isBefore(second, first) ? [second, left + 1] : [first, left]
      if (!isBefore(child, event)) break
      this.#heap[at] = child
      at = place
    }
    this.#heap[at] = event
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
