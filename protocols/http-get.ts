/**
 * What every HTTP GET of ours needs, whoever asks: redirects followed one by one, and an end for a server that falls silent.
 *
 * Used by the importers (tools/import/http-client.ts) and for mirrors (mirror-client.ts). Asks for bytes as they are stored:
 * a .gz of an archive must arrive packed. Bodies are never taken on trust. Goes to the server itself: as Node's fetch does,
 * it knows no proxy of the environment.
 */
import { FreshetError } from '../schemas/errors.ts'

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Characters of a Location that an error repeats. */
const LOCATION_SHOWN_MAX = 200

export interface FollowOptions {
  readonly watch: SilenceWatch
  readonly redirectsMax: number
  readonly headers: Readonly<Record<string, string>>
  /** The error for a redirect that is not followed. */
  readonly refuse: (reason: string, location: string) => FreshetError
}

/** @returns the first answer that is no redirect; its body is still to be read, or cancelled. */
export async function follow(
  start: string,
  { watch, redirectsMax, headers, refuse }: FollowOptions,
): Promise<Response> {
  let url = start
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: watch.signal,
      headers: { 'accept-encoding': 'identity', ...headers },
    })
    watch.progress()
    const location = response.headers.get('location')
    if (!REDIRECTS.has(response.status) || location === null) return response
    await response.body?.cancel()
    const next = URL.canParse(location, url) ? new URL(location, url) : null
    const shown = location.slice(0, LOCATION_SHOWN_MAX)
    if (redirects === redirectsMax) throw refuse('too many redirects', shown)
    if (next === null || !/^https?:$/.test(next.protocol)) throw refuse('a redirect away from http and https', shown)
    url = next.href
  }
}

/** fetch says "fetch failed" and keeps what happened as cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** Aborts a request when nothing comes for a while, or when somebody else wants it ended. */
export class SilenceWatch {
  /** Why it was aborted; null: not by this watch. */
  reason: string | null = null
  readonly signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #silenceMs: number
  #timer: NodeJS.Timeout

  constructor(silenceMs: number, outer: AbortSignal | undefined) {
    this.#silenceMs = silenceMs
    this.signal = outer === undefined ? this.#controller.signal : AbortSignal.any([outer, this.#controller.signal])
    this.#timer = this.#start()
  }

  /** Something came. */
  progress(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#start()
  }

  /** Nothing is waited for until the next `progress`. */
  rest(): void {
    clearTimeout(this.#timer)
  }

  abort(reason: string): void {
    this.reason ??= reason
    this.#controller.abort()
  }

  /** Frees a body that was not read to its end. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#controller.abort()
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => this.abort(`nothing came for ${this.#silenceMs / 1000} s`), this.#silenceMs)
  }
}
