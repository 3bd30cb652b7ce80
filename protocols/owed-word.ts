/**
 * Word of what came on one line, as it is owed to the peer: how much, since when, and whether it can wait for company.
 *
 * Alone it would cost both about what a block costs. At once only where the peer is still finding out how much the line carries, and
 * where it might have to wait for it.
 */
import { GOT_AT_ONCE_BYTES, GOT_BYTES, GOT_DELAY_MS } from '../schemas/limits.ts'

export class OwedWord {
  #cameBytes = 0
  #cameAtMs = 0
  #toldBytes = 0
  #sinceMs = 0

  /** @returns whether the peer should hear of it at once. */
  came(byteLength: number, nowMs: number): boolean {
    if (this.#cameBytes === this.#toldBytes) this.#sinceMs = nowMs
    this.#cameBytes += byteLength
    this.#cameAtMs = nowMs
    return this.#cameBytes <= GOT_AT_ONCE_BYTES || this.#cameBytes - this.#toldBytes >= GOT_BYTES
  }

  /** Whether it has waited long enough. */
  isDue(nowMs: number): boolean {
    return this.#cameBytes > this.#toldBytes && nowMs - this.#sinceMs >= GOT_DELAY_MS
  }

  /** All that came since the line is open, and when the last of it did; null when the peer knows. */
  take(): { readonly byteLength: number; readonly atMs: number } | null {
    if (this.#cameBytes === this.#toldBytes) return null
    this.#toldBytes = this.#cameBytes
    return { byteLength: this.#cameBytes, atMs: Math.round(this.#cameAtMs) }
  }
}
