/**
 * Asks HTTP mirrors for parts of files, with every bound a hostile or sick server calls for.
 *
 *   us                                        mirror
 *   │── GET base/pool/..., Range ──────────────▶│  at most MIRROR_CONNECTIONS_MAX at once, kept alive
 *   │◀─ 206 with exactly that range ────────────│  or 200 with the whole file: read until there is enough
 *
 * Owns: connections, deadlines, and what each mirror's score learns. Bytes are handed on as they come and nothing of them is
 * trusted: whoever takes them compares them with a hash and says so (`MirrorScores.wrong`). A consumer that is slow is not
 * held against the mirror.
 */
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import {
  MIRROR_CONNECTIONS_MAX,
  MIRROR_REDIRECTS_MAX,
  MIRROR_STALL_MS,
  MIRROR_WINDOW_BYTES_MIN,
  MIRROR_WINDOW_MS,
} from '../schemas/limits.ts'
import { fileUrl } from '../schemas/mirror-url.ts'
import { discard, follow, type HttpAnswer, SilenceWatch } from './http-get.ts'
import { type FilePart, meaningOf, rangeOf, retryAfterMs } from './mirror-answer.ts'
import type { MirrorScores } from './mirror-scores.ts'
import { Slots } from './slots.ts'

export interface MirrorRange extends FilePart {
  /** Normalised (schemas/mirror-url.ts). */
  readonly base: string
  /** Filename of the stanza. */
  readonly path: string
  readonly signal: AbortSignal
}

export interface MirrorClientOptions {
  readonly scores: MirrorScores
  /** Unix milliseconds. */
  readonly now: () => number
  /** Instead of MIRROR_STALL_MS and MIRROR_WINDOW_MS. */
  readonly waitMs?: number
}

const USER_AGENT = 'freshet (+Debian APT-HTTP/1.3 compatible mirror client)'

export class MirrorClient {
  readonly #options: MirrorClientOptions
  readonly #slots = new Map<string, { readonly slots: Slots; users: number }>()

  constructor(options: MirrorClientOptions) {
    this.#options = options
  }

  /**
   * The bytes of `wish`, in order, as they come; all of them, or an error.
   * @throws FreshetError MIRROR_UNREACHABLE, MIRROR_REFUSED (detail `status`, `retryAfterMs`), MIRROR_SLOW, INTERRUPTED.
   */
  async *fetchRange(wish: MirrorRange): AsyncGenerator<Buffer> {
    const { base, signal } = wish
    const release = await this.#take(base, signal)
    const watch = new SilenceWatch(this.#options.waitMs ?? MIRROR_STALL_MS, signal)
    const startedAtMs = performance.now()
    const pace = new Pace(this.#options.waitMs ?? MIRROR_WINDOW_MS)
    try {
      const answer = await this.#ask(wish, watch)
      const firstByteMs = performance.now() - startedAtMs
      yield* paced(answer, wish, watch, pace)
      const elapsedMs = firstByteMs + pace.waitedMs
      this.#options.scores.delivered(base, wish.lengthBytes, firstByteMs, elapsedMs)
    } catch (error) {
      const failure = asMirrorError(error, wish, watch)
      if (failure.code !== 'INTERRUPTED') this.#options.scores.failed(base, failure, this.#options.now())
      throw failure
    } finally {
      watch.stop()
      release()
    }
  }

  async #ask(wish: MirrorRange, watch: SilenceWatch): Promise<Answer> {
    const range = rangeOf(wish)
    const answer = await follow(fileUrl(wish.base, wish.path), {
      watch,
      redirectsMax: MIRROR_REDIRECTS_MAX,
      headers: { 'user-agent': USER_AGENT, ...(range === null ? {} : { range }) },
      refuse: (reason, redirect) => mirrorError('MIRROR_REFUSED', reason, wish, { redirect }),
    })
    const { status, header, body } = answer
    const meaning = meaningOf(answer, wish)
    if ('skipBytes' in meaning) {
      const { skipBytes } = meaning
      return { body, skipBytes, isExact: header('content-length') === String(skipBytes + wish.lengthBytes) }
    }
    await discard(answer)
    const waitMs = retryAfterMs(header('retry-after'), this.#options.now())
    const detail = { status, ...(waitMs === null ? {} : { retryAfterMs: waitMs }) }
    throw mirrorError('MIRROR_REFUSED', meaning.fault, wish, detail)
  }

  /** @throws FreshetError INTERRUPTED. */
  async #take(base: string, signal: AbortSignal): Promise<() => void> {
    const entry = this.#slots.get(base) ?? { slots: new Slots(MIRROR_CONNECTIONS_MAX), users: 0 }
    this.#slots.set(base, entry)
    entry.users++
    const leave = (): void => {
      entry.users--
      if (entry.users === 0) this.#slots.delete(base)
    }
    try {
      const give = await entry.slots.take(signal)
      return () => (give(), leave())
    } catch (error) {
      leave()
      throw new FreshetError('INTERRUPTED', 'the transfer was cancelled', {}, error)
    }
  }
}

interface Answer {
  readonly body: HttpAnswer['body']
  readonly skipBytes: number
  /** It ends by itself where the bytes that were asked for do. */
  readonly isExact: boolean
}

/** Exactly the bytes that were asked for, without those before them; the rest of the body is left. */
async function* paced(
  { body, skipBytes, isExact }: Answer,
  wish: MirrorRange,
  watch: SilenceWatch,
  pace: Pace,
): AsyncGenerator<Buffer> {
  let skip = skipBytes
  let missing = wish.lengthBytes
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  while (missing > 0) {
    watch.progress()
    pace.waiting()
    const { done, value } = await chunks.next()
    if (done === true) throw mirrorError('MIRROR_UNREACHABLE', `it ended ${missing} bytes too early`, wish)
    pace.came(value.byteLength)
    watch.rest()
    const bytes = value.subarray(skip)
    skip = Math.max(0, skip - value.byteLength)
    const part = bytes.subarray(0, missing)
    missing -= part.byteLength
    if (missing > 0 && pace.isSlow) throw mirrorError('MIRROR_SLOW', pace.reason, wish)
    if (missing === 0 && isExact) await chunks.next() // to the end, or the connection could not be used again
    if (part.byteLength > 0) yield part
  }
}

/** The minimum rate, window by window; time in which nobody waits for the mirror does not count. */
class Pace {
  isSlow = false
  waitedMs = 0
  readonly #windowMs: number
  #windowStartMs = 0
  #windowBytes = 0
  #waitingSinceMs = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  get reason(): string {
    return `${this.#windowBytes} bytes in ${this.#windowMs} ms`
  }

  waiting(): void {
    this.#waitingSinceMs = performance.now()
  }

  came(byteLength: number): void {
    this.waitedMs += performance.now() - this.#waitingSinceMs
    this.#windowBytes += byteLength
    if (this.waitedMs - this.#windowStartMs < this.#windowMs) return
    this.isSlow = this.#windowBytes < (MIRROR_WINDOW_BYTES_MIN * this.#windowMs) / MIRROR_WINDOW_MS
    if (this.isSlow) return
    this.#windowStartMs = this.waitedMs
    this.#windowBytes = 0
  }
}

function asMirrorError(error: unknown, wish: MirrorRange, watch: SilenceWatch): FreshetError {
  if (error instanceof FreshetError) return error
  if (wish.signal.aborted) return new FreshetError('INTERRUPTED', 'the transfer was cancelled', {}, error)
  if (watch.reason !== null) return mirrorError('MIRROR_SLOW', watch.reason, wish, {}, error)
  return mirrorError('MIRROR_UNREACHABLE', asFreshetError(error).message, wish, {}, error)
}

function mirrorError(
  code: 'MIRROR_UNREACHABLE' | 'MIRROR_REFUSED' | 'MIRROR_SLOW',
  reason: string,
  { base, path }: MirrorRange,
  detail: FreshetError['detail'] = {},
  cause?: unknown,
): FreshetError {
  return new FreshetError(code, `${base}: ${reason} (${path})`, { mirror: base, path, ...detail }, cause)
}
