/**
 * What one peer and we have said to each other about one bundle, and how fast it gives.
 *
 * State only: every field is changed by the exchange of the bundle (exchange.ts) and the policies beside it.
 */
import type { NumberSet } from '../../schemas/number-set.ts'
import {
  ASK_AHEAD_BYTES_MAX,
  ASK_AHEAD_BYTES_MIN,
  ASK_AHEAD_MS,
  LEAF_BYTES,
  NEAR_MS,
  STALLED_PAUSE_MS,
  STALLED_PAUSE_MS_MAX,
} from '../../schemas/limits.ts'

/** Time over which a rate is averaged. */
const RATE_MS = 1_000

export class Partner {
  readonly id: number
  /** On the local network: what it gives costs nobody anything. */
  readonly isNear: boolean
  /** Blocks that it says it has. */
  readonly shown: NumberSet
  /** Pieces that it says it is getting from somebody who gives them to nobody else. */
  readonly expects = new Set<number>()
  /** Pieces that it wants; a peer that only gives wants none. */
  readonly wants: NumberSet
  /** Blocks that we said we have. */
  readonly told: NumberSet
  /** Blocks to tell it of, when there is company enough. */
  readonly untold = new Set<number>()
  /** Blocks asked of it and not here yet. */
  readonly asked = new Set<number>()
  /** Those of them that it had when it last said so. */
  askedBytes = 0
  /** Blocks that it asked of us and that are here, oldest first. */
  readonly queue = new Set<number>()
  /** Blocks that it asked of us and that are not here yet. */
  readonly awaited = new Set<number>()
  /** Wants something that it does not show. */
  wantsMore: boolean
  roundTripMs: number
  servedBytes = 0
  /** When it is next to get a block, in bytes of a line that only it uses (serve-blocks.ts). */
  turn = 0
  receivedBytes = 0
  lastArrivalMs: number
  pausedUntilMs = Number.NEGATIVE_INFINITY
  /** When something was first asked of it. */
  triedAtMs: number | null = null
  #pauseMs = STALLED_PAUSE_MS
  #rateBytes = 0
  #rateSinceMs: number

  constructor(id: number, opening: Opening, nowMs: number) {
    this.id = id
    this.isNear = opening.isNear ?? false
    this.shown = opening.held
    this.wants = opening.wanted
    this.told = opening.told
    this.wantsMore = opening.wanted.size > 0
    this.roundTripMs = opening.roundTripMs
    this.lastArrivalMs = nowMs
    this.#rateSinceMs = nowMs
  }

  /** Bytes a second, over the last second or two. */
  rate(nowMs: number): number {
    const ms = Math.max(nowMs - this.#rateSinceMs, RATE_MS)
    return (this.#rateBytes * 1000) / ms
  }

  /** Bytes that may be asked of it and not be here yet: what it brings in a round trip and a little more (bandwidth-delay product). */
  window(nowMs: number): number {
    if (nowMs < this.pausedUntilMs) return 0
    const ahead = (this.rate(nowMs) * (this.roundTripMs + ASK_AHEAD_MS)) / 1000
    return Math.min(ASK_AHEAD_BYTES_MAX, Math.max(ASK_AHEAD_BYTES_MIN, ahead))
  }

  received(byteLength: number, nowMs: number): void {
    // Halved rather than cleared, so that the figure does not jump.
    const ms = nowMs - this.#rateSinceMs
    if (ms > 2 * RATE_MS) {
      this.#rateBytes /= 2
      this.#rateSinceMs = nowMs - Math.min(ms / 2, RATE_MS)
    }
    this.#rateBytes += byteLength
    this.receivedBytes += byteLength
    this.lastArrivalMs = nowMs
    this.#pauseMs = STALLED_PAUSE_MS
  }

  stalled(nowMs: number): void {
    this.pausedUntilMs = nowMs + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, STALLED_PAUSE_MS_MAX)
    this.#rateBytes = 0
    this.#rateSinceMs = nowMs
  }

  /** Whether a block asked of it now would be here soon. For a start it is taken to be so: its rate is not known. */
  isQuick(nowMs: number): boolean {
    if (nowMs < this.pausedUntilMs) return false
    const isTried = this.triedAtMs !== null && nowMs - this.triedAtMs >= NEAR_MS
    return !isTried || this.etaMs(nowMs) < NEAR_MS
  }

  /** When a block asked of it now would be here. */
  etaMs(nowMs: number): number {
    const rate = Math.max(this.rate(nowMs), LEAF_BYTES)
    return this.roundTripMs + ((this.asked.size * LEAF_BYTES) / rate) * 1000
  }
}

/** How a peer begins to talk of a bundle. */
export interface Opening {
  readonly held: NumberSet
  readonly wanted: NumberSet
  /** What we said that we hold when we opened. The partner keeps it up to date. */
  readonly told: NumberSet
  readonly roundTripMs: number
  /** On the local network. */
  readonly isNear?: boolean
}
