/**
 * How many bytes may be on their way, so that a link is full and the queue in front of it is short: what they wait is what tells.
 *
 * After LEDBAT (RFC 6817): the time that a block takes, less the least that it ever took, is the time it waited; the window
 * grows while that is below a target and shrinks above it. TCP and UDX fill a queue until it drops; with one connection for each
 * peer and a thin uplink, the drops are what costs a crowd its speed. Times are one-way, so that a queue on the way back does
 * not count: the two clocks need not agree, only run at one speed.
 */
import { BASE_DELAY_MS, LEAF_BYTES } from '../schemas/limits.ts'

/** The least delay of one line, forgotten after two BASE_DELAY_MS, because routes and clocks change. */
export class BaseDelay {
  #least = Number.POSITIVE_INFINITY
  #before = Number.POSITIVE_INFINITY
  #sinceMs = Number.NEGATIVE_INFINITY

  /** @returns for how long a block of this delay waited. */
  waited(delayMs: number, nowMs: number): number {
    if (nowMs - this.#sinceMs >= BASE_DELAY_MS) {
      this.#before = this.#least
      this.#least = Number.POSITIVE_INFINITY
      this.#sinceMs = nowMs
    }
    this.#least = Math.min(this.#least, delayMs)
    return delayMs - Math.min(this.#least, this.#before)
  }
}

export interface DelayWindowOptions {
  readonly targetMs: number
  readonly startBytes: number
  readonly leastBytes: number
  readonly mostBytes: number
}

/** Rounds of measuring last so long at least: one late block says nothing. */
const ROUND_MS = 50
/** A window that was never too large doubles in each round; one that is too large shrinks by at most this share. */
const SHRINK_MAX = 0.25

export class DelayWindow {
  readonly #options: DelayWindowOptions
  #bytes: number
  #isStarting = true
  #roundSinceMs: number | null = null
  /** Of this round: the least wait of any block, what came, and whether the window was the limit. */
  #leastMs = Number.POSITIVE_INFINITY
  #ackedBytes = 0
  #wasFull = false

  constructor(options: DelayWindowOptions) {
    this.#options = options
    this.#bytes = options.startBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Something had to wait because of the window. */
  full(): void {
    this.#wasFull = true
  }

  /** Word that a block came, which waited so long. */
  acked(byteLength: number, waitedMs: number, nowMs: number): void {
    this.#roundSinceMs ??= nowMs
    this.#leastMs = Math.min(this.#leastMs, waitedMs)
    this.#ackedBytes += byteLength
    if (nowMs - this.#roundSinceMs < ROUND_MS) return
    this.#endRound()
    this.#roundSinceMs = nowMs
  }

  #endRound(): void {
    const { targetMs, leastBytes, mostBytes } = this.#options
    const off = (targetMs - this.#leastMs) / targetMs
    if (off < 0.5) this.#isStarting = false
    // A round is some round trips where the line is short: the window moves in each of them.
    const trips = this.#ackedBytes / this.#bytes
    if (off < 0) this.#bytes -= Math.min(SHRINK_MAX, -off * SHRINK_MAX) * Math.min(trips, 1) * this.#bytes
    else if (this.#wasFull && this.#isStarting) this.#bytes += Math.min(this.#ackedBytes, this.#bytes)
    else if (this.#wasFull) this.#bytes += Math.min(off * trips * LEAF_BYTES, this.#bytes)
    this.#bytes = Math.max(leastBytes, Math.min(mostBytes, this.#bytes))
    this.#leastMs = Number.POSITIVE_INFINITY
    this.#ackedBytes = 0
    this.#wasFull = false
  }
}
