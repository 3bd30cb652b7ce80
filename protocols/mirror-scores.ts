/**
 * How each HTTP mirror has done: how fast, how reliable, and which artifacts it gave in other bytes than were signed.
 *
 * Pure: whoever calls has the clock, in Unix milliseconds. Nothing is kept over a restart, when every mirror has a new chance.
 */
import type { ErrorCode, FreshetError } from '../schemas/errors.ts'
import {
  MIRROR_BACKOFF_MS_MAX,
  MIRROR_BACKOFF_MS_MIN,
  MIRROR_WRONG_KEPT,
  MIRROR_WRONG_MAX,
  MIRRORS_SCORED_MAX,
  PIECE_BYTES,
} from '../schemas/limits.ts'
import type { DigestHex } from '../schemas/units.ts'

export interface MirrorScore {
  /** Averages in which the newest weighs most; null: it gave nothing yet. */
  readonly bytesPerSecond: number | null
  readonly firstByteMs: number | null
  /** In a row. */
  readonly failures: number
  /** Code of the newest failure; null after a success. */
  readonly trouble: ErrorCode | null
  /** It is asked for nothing until then; 0: it may be asked. */
  readonly pausedUntilMs: number
  /** Artifacts that it gave in other bytes, oldest first. */
  readonly wrong: readonly DigestHex[]
}

const UNKNOWN: MirrorScore = {
  bytesPerSecond: null,
  firstByteMs: null,
  failures: 0,
  trouble: null,
  pausedUntilMs: 0,
  wrong: [],
}
/** Weight of the newest measurement. */
const NEWEST_WEIGHT = 0.3
/** What a piece is expected to take from a mirror that was never asked: known ones are preferred only while they are quick. */
const UNKNOWN_PIECE_MS = 500
/** The mirror does as it should, and does not have this file, or not this one. */
const STATUS_OF_FILE: ReadonlySet<unknown> = new Set([200, 206, 404, 410, 416])

export class MirrorScores {
  /** By URL, the least recently used first. */
  readonly #scores = new Map<string, MirrorScore>()

  of(url: string): MirrorScore {
    return this.#scores.get(url) ?? UNKNOWN
  }

  /** `bytes` came in `elapsedMs`, of which the first took `firstByteMs`. */
  delivered(url: string, bytes: number, firstByteMs: number, elapsedMs: number): void {
    const score = this.of(url)
    const bytesPerSecond = (bytes * 1000) / Math.max(elapsedMs - firstByteMs, 1)
    this.#set(url, {
      ...score,
      bytesPerSecond: average(score.bytesPerSecond, bytesPerSecond),
      firstByteMs: average(score.firstByteMs, firstByteMs),
      failures: 0,
      trouble: null,
    })
  }

  /** A file that is not there is no fault of the mirror; all else makes it wait, longer each time, or as long as it asked for. */
  failed(url: string, { code, detail }: FreshetError, nowMs: number): void {
    const score = this.of(url)
    if (code === 'MIRROR_REFUSED' && STATUS_OF_FILE.has(detail['status'])) return
    const failures = score.failures + 1
    const pauseMs = Math.max(
      MIRROR_BACKOFF_MS_MIN * 2 ** Math.min(failures - 1, 30),
      Number(detail['retryAfterMs'] ?? 0),
    )
    const pausedUntilMs = Math.max(score.pausedUntilMs, nowMs + Math.min(pauseMs, MIRROR_BACKOFF_MS_MAX))
    this.#set(url, { ...score, failures, trouble: code, pausedUntilMs })
  }

  /** It gave other bytes than those that `digest` names. */
  wrong(url: string, digest: DigestHex, nowMs: number): void {
    const score = this.of(url)
    if (score.wrong.includes(digest)) return
    const wrong = [...score.wrong, digest].slice(-MIRROR_WRONG_KEPT)
    const pausedUntilMs = wrong.length < MIRROR_WRONG_MAX ? score.pausedUntilMs : nowMs + MIRROR_BACKOFF_MS_MAX
    this.#set(url, { ...score, trouble: 'PIECE_MISMATCH', pausedUntilMs, wrong })
  }

  /** Those of `urls` that may be asked for an artifact now, the one that is expected to be quickest first. */
  usable(urls: readonly string[], digest: DigestHex, nowMs: number): string[] {
    return urls
      .filter((url) => this.of(url).pausedUntilMs <= nowMs && !this.of(url).wrong.includes(digest))
      .map((url) => ({ url, pieceMs: expectedPieceMs(this.of(url)) }))
      .sort((a, b) => a.pieceMs - b.pieceMs)
      .map(({ url }) => url)
  }

  #set(url: string, score: MirrorScore): void {
    this.#scores.delete(url)
    this.#scores.set(url, score)
    const [oldest] = this.#scores.keys()
    if (this.#scores.size > MIRRORS_SCORED_MAX && oldest !== undefined) this.#scores.delete(oldest)
  }
}

function average(before: number | null, newest: number): number {
  return before === null ? newest : before + NEWEST_WEIGHT * (newest - before)
}

function expectedPieceMs({ firstByteMs, bytesPerSecond }: MirrorScore): number {
  if (firstByteMs === null || bytesPerSecond === null) return UNKNOWN_PIECE_MS
  return firstByteMs + (PIECE_BYTES * 1000) / bytesPerSecond
}
