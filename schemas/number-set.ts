/**
 * A set of whole numbers below a bound, one bit each, that knows how many it has; on the wire as the lengths of its runs.
 *
 * What a peer holds of a bundle is nearly always a few long runs, so its map takes a few bytes; a map that is all holes is
 * sent bit by bit.
 */
import { invalid } from './codec.ts'

export class NumberSet {
  readonly bound: number
  readonly #bits: Uint8Array
  #size = 0

  constructor(bound: number) {
    this.bound = bound
    this.#bits = new Uint8Array(Math.ceil(bound / 8))
  }

  static full(bound: number): NumberSet {
    const set = new NumberSet(bound)
    for (let value = 0; value < bound; value++) set.add(value)
    return set
  }

  get size(): number {
    return this.#size
  }

  has(value: number): boolean {
    return ((this.#bits[value >> 3] ?? 0) & (1 << (value & 7))) !== 0
  }

  /** @returns whether it is new. */
  add(value: number): boolean {
    if (value >= this.bound || this.has(value)) return false
    this.#bits[value >> 3] = (this.#bits[value >> 3] ?? 0) | (1 << (value & 7))
    this.#size++
    return true
  }

  /** @returns whether it was there. */
  delete(value: number): boolean {
    if (!this.has(value)) return false
    this.#bits[value >> 3] = (this.#bits[value >> 3] ?? 0) & ~(1 << (value & 7))
    this.#size--
    return true
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let value = 0; value < this.bound; value++) {
      if (this.#bits[value >> 3] === 0) value |= 7
      else if (this.has(value)) yield value
    }
  }

  /** First byte 0: lengths of runs, absent first, as LEB128, the last run left out; 1: the bits themselves. */
  encode(): Buffer {
    const runs: number[] = [0]
    let start = 0
    let present = false
    for (let value = 0; value <= this.bound && runs.length <= this.#bits.byteLength; value++) {
      if (value < this.bound && this.has(value) === present) continue
      if (value < this.bound || present) putLength(runs, value - start)
      start = value
      present = !present
    }
    return runs.length <= this.#bits.byteLength ? Buffer.from(runs) : Buffer.concat([Buffer.of(1), this.#bits])
  }

  /** @throws FreshetError EVENT_INVALID: more than `bound` numbers, or not what `encode` writes. */
  static decode(record: Uint8Array, bound: number): NumberSet {
    const set = new NumberSet(bound)
    if (record[0] === 1) set.#readBits(record.subarray(1))
    else if (record[0] === 0) set.#readRuns(record.subarray(1))
    if (!set.encode().equals(record)) throw invalid(`not a set of numbers below ${bound}`)
    return set
  }

  #readBits(bits: Uint8Array): void {
    for (let value = 0; value < Math.min(this.bound, bits.byteLength * 8); value++) {
      if (((bits[value >> 3] ?? 0) & (1 << (value & 7))) !== 0) this.add(value)
    }
  }

  #readRuns(runs: Uint8Array): void {
    let value = 0
    let present = false
    for (let at = 0; at < runs.byteLength; present = !present) {
      let length = 0
      for (let shift = 1; at < runs.byteLength; shift *= 128) {
        const byte = runs[at++] ?? 0
        length += (byte & 127) * shift
        if (byte < 128 || length > this.bound) break
      }
      const end = Math.min(this.bound, value + length)
      if (present) for (let next = value; next < end; next++) this.add(next)
      value = end
    }
  }
}

function putLength(bytes: number[], length: number): void {
  let rest = length
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}
