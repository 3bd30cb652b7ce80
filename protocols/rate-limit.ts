/**
 * A bound on bytes a second that may be changed while it is in use: a token bucket over a clock that the caller reads.
 *
 * Holds what RATE_BURST_MS brings in, so that in any RATE_WINDOW_MS at most 105 % of the rate goes through. What is larger than the
 * bucket goes when the bucket is full, and the debt is waited off after it; it costs so much that no more of its size go in a window
 * than that. What is larger than a window brings has the rate over the time that it takes.
 * Owns no timer: ask `delayMs`, wait, ask again, `spend`. The clock is monotonic, in milliseconds.
 */
import { RATE_BURST_MS, RATE_WINDOW_MS } from '../schemas/limits.ts'

const MS_PER_S = 1000

export class RateLimit {
  /** Null: no bound. */
  #bytesPerSecond: number | null
  /** What may go at once; below zero what went too early. */
  #bytes: number
  /** When `#bytes` was right. */
  #atMs = Number.NEGATIVE_INFINITY

  constructor(bytesPerSecond: number | null) {
    this.#bytesPerSecond = bytesPerSecond
    this.#bytes = capacityOf(bytesPerSecond)
  }

  /** From `nowMs` on. What has come together at the old rate stays, as far as the new bucket holds it. */
  setRate(bytesPerSecond: number | null, nowMs: number): void {
    if (bytesPerSecond === this.#bytesPerSecond) return
    this.#refill(nowMs)
    if (this.#bytesPerSecond === null) this.#bytes = 0 // no burst for whoever switches a bound on
    this.#bytesPerSecond = bytesPerSecond
    this.#bytes = Math.min(this.#bytes, capacityOf(bytesPerSecond))
  }

  /** How long to wait before `byteLength` may go; 0: now. */
  delayMs(byteLength: number, nowMs: number): number {
    if (this.#bytesPerSecond === null) return 0
    this.#refill(nowMs)
    const missing = Math.min(byteLength, capacityOf(this.#bytesPerSecond)) - this.#bytes
    return missing <= 0 ? 0 : Math.ceil((missing / this.#bytesPerSecond) * MS_PER_S)
  }

  /** They went, whether or not they might. */
  spend(byteLength: number, nowMs: number): void {
    if (this.#bytesPerSecond === null) return
    this.#refill(nowMs)
    this.#bytes -= costOf(byteLength, this.#bytesPerSecond)
  }

  #refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs
    if (elapsedMs <= 0) return // a clock that goes back brings nothing
    this.#atMs = nowMs
    const rate = this.#bytesPerSecond
    if (rate !== null) this.#bytes = Math.min(capacityOf(rate), this.#bytes + (elapsedMs / MS_PER_S) * rate)
  }
}

function capacityOf(bytesPerSecond: number | null): number {
  return bytesPerSecond === null ? 0 : (bytesPerSecond * RATE_BURST_MS) / MS_PER_S
}

/** What is larger than the bucket costs a whole share of a window. */
function costOf(byteLength: number, bytesPerSecond: number): number {
  const capacity = capacityOf(bytesPerSecond)
  if (byteLength <= capacity) return byteLength
  const windowBytes = (bytesPerSecond * RATE_WINDOW_MS) / MS_PER_S
  const fit = Math.floor((windowBytes + capacity) / byteLength)
  return fit === 0 ? byteLength : Math.max(byteLength, windowBytes / fit)
}
