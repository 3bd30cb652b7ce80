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
  FIRST_ASK_BYTES,
  LEAF_BYTES,
  STALLED_PAUSE_MS,
  STALLED_PAUSE_MS_MAX,
} from '../../schemas/limits.ts'
import { BlockQueue } from './block-queue.ts'

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
  /** Whether hashes come with its blocks, so that each is checked by itself: what a mirror sends is checked by pieces. */
  readonly givesLeaves: boolean
  /** Blocks that we said we have. */
  readonly told: NumberSet
  /** Blocks to tell it of, when there is company enough. */
  readonly untold = new Set<number>()
  /** Blocks asked of it and not here yet. */
  readonly asked = new Set<number>()
  /** Those of them that it had when it last said so. */
  askedBytes = 0
  /** Blocks that it asked of us and that are here. */
  readonly queue = new BlockQueue()
  /** Blocks that it asked of us and that are not here yet. */
  readonly awaited = new Set<number>()
  /** Wants something that it does not show. */
  wantsMore: boolean
  /** When it was last told of blocks that are here. */
  toldAtMs = Number.NEGATIVE_INFINITY
  roundTripMs: number
  servedBytes = 0
  /** When it is next to get a block, in bytes of a line that only it uses (serve-blocks.ts). */
  turn = 0
  receivedBytes = 0
  /** Bytes of what we handed to it that others have: it gave them in our place. */
  passedOnBytes = 0
  /** Blocks that it sent and that were right: what it says is worth something from the first of them on. */
  delivered = 0
  /** Whether it has brought nothing since a block that it was too slow with was asked of somebody else. */
  hasFailed = false
  lastArrivalMs: number
  pausedUntilMs = Number.NEGATIVE_INFINITY
  #pauseMs = STALLED_PAUSE_MS
  #rateBytes = 0
  #rateSinceMs: number

  constructor(id: number, opening: Opening, nowMs: number) {
    this.id = id
    this.isNear = opening.isNear ?? false
    this.shown = opening.held
    this.wants = opening.wanted
    this.told = opening.told
    this.givesLeaves = opening.givesLeaves
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
    if (this.delivered === 0) return FIRST_ASK_BYTES
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

  /** In how many milliseconds the last of what was asked of it, and `more` blocks, would be here. */
  etaMs(nowMs: number, more = 0): number {
    const rate = Math.max(this.rate(nowMs), LEAF_BYTES)
    return this.roundTripMs + (((this.asked.size + more) * LEAF_BYTES) / rate) * 1000
  }
}

/** How a peer begins to talk of a bundle. */
export interface Opening {
  readonly held: NumberSet
  readonly wanted: NumberSet
  /** What we said that we hold when we opened. The partner keeps it up to date. */
  readonly told: NumberSet
  readonly roundTripMs: number
  readonly givesLeaves: boolean
  /** On the local network. */
  readonly isNear?: boolean
}
