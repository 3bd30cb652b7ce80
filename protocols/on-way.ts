/**
 * What one line has sent and not had word of: the count of bytes on their way, and how many there may be.
 *
 * Owns the window of the line (delay-window.ts), which grows and shrinks with the time that blocks wait.
 */
import { FreshetError } from '../schemas/errors.ts'
import {
  LATE_MS,
  LINE_ON_WAY_BYTES_MAX,
  LINE_QUEUE_MS,
  ON_WAY_BYTES_MIN,
  ON_WAY_BYTES_START,
} from '../schemas/limits.ts'
import { BaseDelay, DelayWindow } from './delay-window.ts'

/** What word of the peer told: bytes that it has now, and for how long the last of them waited in queues. */
export interface Acked {
  readonly byteLength: number
  readonly waitedMs: number
}

export class OnWay {
  readonly #window = new DelayWindow({
    targetMs: LINE_QUEUE_MS,
    startBytes: ON_WAY_BYTES_START,
    leastBytes: ON_WAY_BYTES_MIN,
    mostBytes: LINE_ON_WAY_BYTES_MAX,
  })
  readonly #base = new BaseDelay()
  /** Blocks on their way: the count of bytes at their end, and when they were sent. */
  readonly #sent: { readonly end: number; readonly atMs: number }[] = []
  #sentBytes = 0
  #ackedBytes = 0
  /** For blocks that are being read. */
  #reservedBytes = 0

  /** Bytes sent, or about to be, of which no word came yet. */
  get byteLength(): number {
    return this.#sentBytes - this.#ackedBytes + this.#reservedBytes
  }

  /** Nothing was heard of what was sent for so long that it is of no use to wait for it. */
  isLate(nowMs: number): boolean {
    const oldest = this.#sent[0]
    return oldest !== undefined && nowMs - oldest.atMs >= LATE_MS
  }

  hasRoom(byteLength: number): boolean {
    if (this.byteLength + byteLength <= this.#window.bytes) return true
    this.#window.full()
    return false
  }

  /** For a block that is being read. */
  reserve(byteLength: number): void {
    this.#reservedBytes += byteLength
  }

  /** It was read, or could not be. */
  release(byteLength: number): void {
    this.#reservedBytes -= byteLength
  }

  sent(byteLength: number, nowMs: number): void {
    this.#sentBytes += byteLength
    this.#sent.push({ end: this.#sentBytes, atMs: nowMs })
  }

  /**
   * @param byteLength all that came since the line is open. @param atMs when, by the clock of the peer.
   * @returns null where no block came as a whole.
   * @throws FreshetError MESSAGE_MALFORMED: less than before, or more than was sent.
   */
  acked(byteLength: number, atMs: number, nowMs: number): Acked | null {
    if (byteLength < this.#ackedBytes || byteLength > this.#sentBytes) {
      throw new FreshetError('MESSAGE_MALFORMED', `word of ${byteLength} bytes of ${this.#sentBytes}`, { byteLength })
    }
    let sentAtMs: number | null = null
    while (this.#sent[0] !== undefined && this.#sent[0].end <= byteLength) sentAtMs = this.#sent.shift()?.atMs ?? null
    const newBytes = byteLength - this.#ackedBytes
    this.#ackedBytes = byteLength
    if (sentAtMs === null) return null
    const waitedMs = this.#base.waited(atMs - sentAtMs, nowMs)
    this.#window.acked(newBytes, waitedMs, nowMs)
    return { byteLength: newBytes, waitedMs }
  }
}
