/**
 * The set of field names of one stanza, case-insensitive, over bytes: finds a field that occurs twice.
 *
 * A Packages file has over a million field lines, so no text is made and nothing is allocated per stanza: an open-addressing
 * table that keeps where each name stands, cleared by moving on to the next stamp.
 * Source: Debian Policy 5.1 (names are ASCII and not case-sensitive, a paragraph must not repeat one).
 */
export class FieldNames {
  readonly #namesMax: number
  readonly #mask: number
  readonly #stamps: Int32Array
  readonly #starts: Int32Array
  readonly #ends: Int32Array
  #stamp = 0
  #count = 0

  constructor(namesMax: number) {
    this.#namesMax = namesMax
    const slots = 2 ** Math.ceil(Math.log2(namesMax * 4))
    this.#mask = slots - 1
    this.#stamps = new Int32Array(slots)
    this.#starts = new Int32Array(slots)
    this.#ends = new Int32Array(slots)
  }

  clear(): void {
    this.#count = 0
    if (this.#stamp === 0x7fff_ffff) {
      this.#stamps.fill(0)
      this.#stamp = 0
    }
    this.#stamp++
  }

  /** All names between two calls of `clear` must stand in the same `bytes`. */
  add(bytes: Buffer, start: number, end: number): 'new' | 'duplicate' | 'full' {
    let hash = end - start
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ folded(bytes[at] ?? 0), 0x01000193)
    hash ^= hash >>> 15
    let slot = hash & this.#mask
    // At most a quarter of the slots is in use, so this ends.
    while (this.#stamps[slot] === this.#stamp) {
      if (sameName(bytes, this.#starts[slot] ?? 0, this.#ends[slot] ?? 0, start, end)) return 'duplicate'
      slot = (slot + 1) & this.#mask
    }
    if (this.#count === this.#namesMax) return 'full'
    this.#count++
    this.#stamps[slot] = this.#stamp
    this.#starts[slot] = start
    this.#ends[slot] = end
    return 'new'
  }
}

function sameName(bytes: Buffer, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false
  for (let a = aStart, b = bStart; a < aEnd; a++, b++) {
    if (folded(bytes[a] ?? 0) !== folded(bytes[b] ?? 0)) return false
  }
  return true
}

function folded(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}
