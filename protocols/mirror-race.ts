/**
 * When mirrors are asked beside peers: early enough that peers never make a file later than the mirror alone would.
 *
 * Peers have a head start. It is over when there is nobody to wait for, when none of them gave anything useful for MIRROR_AFTER_MS, or
 * when all of them together are slower than the mirror. Peers found wanting lose it for all files until MIRROR_FIRST_MS have passed:
 * fifty small files must not cost fifty waits. They are still asked, as well; then they have it anew.
 * Pure: whoever calls has the clock, which never goes back. One for each node, because all files share its downlink.
 */
import {
  MIRROR_AFTER_MS,
  MIRROR_FIRST_MS,
  MIRROR_RATE_ASSUMED,
  PEERS_RATE_MS,
  ROUND_TRIP_MS,
} from '../schemas/limits.ts'

/** How one file comes on. */
export interface FetchLook {
  /** Whether a peer that is not paused has something of what is missing, or has not said yet what it has. */
  readonly hasSource: boolean
  /** When a peer last gave something useful of it; before that, when the fetch began. */
  readonly usefulAtMs: number
  readonly missingBytes: number
}

/** What is known of the mirror that would be asked (mirror-scores.ts). */
export interface MirrorPace {
  /** Null: it gave nothing yet. */
  readonly bytesPerSecond: number | null
  readonly firstByteMs: number | null
}

export class MirrorRace {
  /** Useful bytes from peers, and the time in which some were waited for, both fading. */
  #bytes = 0
  #waitedMs = 0
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #waiting = 0
  /** Of any file. */
  #usefulAtMs = Number.NEGATIVE_INFINITY
  #mirrorsFirstUntilMs = Number.NEGATIVE_INFINITY

  /** A file is waited for from now on. */
  begins(nowMs: number): void {
    this.#wait(nowMs)
    this.#waiting++
  }

  ends(nowMs: number): void {
    this.#wait(nowMs)
    this.#waiting--
  }

  /** A peer gave something of a file that is right, or that only the whole file will check. */
  useful(byteLength: number, nowMs: number): void {
    this.#wait(nowMs)
    this.#bytes += byteLength
    this.#usefulAtMs = nowMs
  }

  /** @param mirror the one that would be asked. */
  isDue(look: FetchLook, mirror: MirrorPace, nowMs: number): boolean {
    this.#wait(nowMs)
    if (nowMs < this.#mirrorsFirstUntilMs) return true
    if (!look.hasSource || this.#isSlower(look, mirror)) {
      this.#foundWanting(nowMs)
      return true
    }
    if (nowMs - look.usefulAtMs < MIRROR_AFTER_MS) return false
    // Of many files that come over one line, some wait long for their turn; that is no fault of peers.
    if (nowMs - this.#usefulAtMs >= MIRROR_AFTER_MS) this.#foundWanting(nowMs)
    return true
  }

  /** Whether peers take longer for what is missing, as fast as they are over all files, waits included. */
  #isSlower({ missingBytes }: FetchLook, { bytesPerSecond, firstByteMs }: MirrorPace): boolean {
    if (this.#waitedMs < MIRROR_AFTER_MS) return false
    const mirrorMs = (firstByteMs ?? ROUND_TRIP_MS) + (missingBytes * 1000) / (bytesPerSecond ?? MIRROR_RATE_ASSUMED)
    return missingBytes * this.#waitedMs > mirrorMs * this.#bytes
  }

  #foundWanting(nowMs: number): void {
    this.#mirrorsFirstUntilMs = nowMs + MIRROR_FIRST_MS
    this.#bytes = 0
    this.#waitedMs = 0
  }

  /** Time in which nothing is waited for does not count. */
  #wait(nowMs: number): void {
    const elapsedMs = nowMs - this.#lookedAtMs
    this.#lookedAtMs = nowMs
    if (this.#waiting === 0) return
    const fading = Math.exp(-elapsedMs / PEERS_RATE_MS)
    this.#bytes *= fading
    this.#waitedMs = this.#waitedMs * fading + elapsedMs
  }
}
