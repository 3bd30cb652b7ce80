/**
 * GET with every bound a hostile or sick server calls for: size, silence, slowness, redirects, tries.
 *
 * Bodies are never taken on trust: callers check a hash. Asks for bytes as they are stored (identity): an archive's .gz
 * must arrive packed. Follows redirects itself, so that each is counted and none leaves http and https.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { FreshetError } from '../../schemas/errors.ts'
import { IMPORT_RATE_MIN, IMPORT_REDIRECTS_MAX, IMPORT_STALL_MS_MAX, IMPORT_TRIES_MAX } from '../../schemas/limits.ts'

export interface GetOptions {
  /** One byte more is an error: SOURCE_UNAVAILABLE naming the bound. */
  readonly byteLengthMax: number
  readonly signal?: AbortSignal | undefined
  /** For tests: the waits of this client, default IMPORT_STALL_MS_MAX. */
  readonly stallMsMax?: number | undefined
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const ABSENT = new Set([404, 410])
/** Between tries, times the number of the try. */
const RETRY_MS = 250
const USER_AGENT = 'freshet (+Debian APT-HTTP/1.3 compatible import)'

/** @returns the body, or null when the server says that there is no such file. */
export async function get(url: string, options: GetOptions): Promise<Buffer | null> {
  return await retrying(url, options.signal, async () => {
    const chunks: Buffer[] = []
    const there = await transfer(url, options, (chunk) => {
      chunks.push(chunk)
    })
    return there ? Buffer.concat(chunks) : null
  })
}

/**
 * Hands each chunk of the body to `onChunk`, which is waited for. One try only: what was handed over cannot be taken back.
 * @returns false when the server says that there is no such file.
 * @throws FreshetError SOURCE_UNAVAILABLE, INTERRUPTED
 */
export async function transfer(
  url: string,
  { byteLengthMax, signal, stallMsMax = IMPORT_STALL_MS_MAX }: GetOptions,
  onChunk: (chunk: Buffer) => void | Promise<void>,
): Promise<boolean> {
  const watchdog = new Watchdog(byteLengthMax, stallMsMax, signal)
  try {
    const response = await follow(url, watchdog)
    if (ABSENT.has(response.status)) {
      await response.body?.cancel()
      return false
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel()
      throw new FreshetError('SOURCE_UNAVAILABLE', `${url}: the server answers ${response.status}`, {
        url,
        status: response.status,
      })
    }
    let byteLength = 0
    for await (const chunk of response.body) {
      watchdog.progress()
      byteLength += chunk.byteLength
      if (byteLength > byteLengthMax) {
        const reason = `${url}: the server sends more than ${byteLengthMax} bytes`
        throw new FreshetError('SOURCE_UNAVAILABLE', reason, { url, byteLengthMax })
      }
      await onChunk(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    }
    return true
  } catch (error) {
    if (signal?.aborted === true)
      throw new FreshetError('INTERRUPTED', `${url}: the import was interrupted`, { url }, error)
    if (error instanceof FreshetError) throw error
    throw new FreshetError('SOURCE_UNAVAILABLE', `${url}: ${watchdog.reason ?? reasonOf(error)}`, { url }, error)
  } finally {
    watchdog.stop()
  }
}

/** Repeats what failed for reasons of the network; an answer of the server (4xx) and a broken bound are final. */
export async function retrying<Result>(
  url: string,
  signal: AbortSignal | undefined,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries === IMPORT_TRIES_MAX || !mayPass(error)) throw error
      await delay(RETRY_MS * tries, undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw new FreshetError('INTERRUPTED', `${url}: the import was interrupted`, { url })
      })
    }
  }
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof FreshetError) || error.code !== 'SOURCE_UNAVAILABLE') return false
  const { status, byteLengthMax, redirect } = error.detail
  if (byteLengthMax !== undefined || redirect !== undefined) return false
  return status === undefined || Number(status) >= 500
}

async function follow(start: string, watchdog: Watchdog): Promise<Response> {
  let url = start
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: watchdog.signal,
      headers: { 'accept-encoding': 'identity', 'user-agent': USER_AGENT },
    })
    watchdog.progress()
    const location = response.headers.get('location')
    if (!REDIRECTS.has(response.status) || location === null) return response
    await response.body?.cancel()
    const next = URL.canParse(location, url) ? new URL(location, url) : null
    if (next === null || !/^https?:$/.test(next.protocol) || redirects === IMPORT_REDIRECTS_MAX) {
      const reason = redirects === IMPORT_REDIRECTS_MAX ? 'too many redirects' : 'a redirect away from http and https'
      throw new FreshetError('SOURCE_UNAVAILABLE', `${start}: ${reason}`, {
        url: start,
        redirect: location.slice(0, 200),
      })
    }
    url = next.href
  }
}

/** Aborts a transfer that is silent for too long, or so slow that it would take longer than its size can excuse. */
class Watchdog {
  reason: string | null = null
  readonly signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #stallMsMax: number
  readonly #whole: NodeJS.Timeout
  #stall: NodeJS.Timeout

  constructor(byteLengthMax: number, stallMsMax: number, outer: AbortSignal | undefined) {
    this.#stallMsMax = stallMsMax
    this.signal = outer === undefined ? this.#controller.signal : AbortSignal.any([outer, this.#controller.signal])
    const wholeMs = Math.min(stallMsMax + (byteLengthMax / IMPORT_RATE_MIN) * 1000, 2 ** 31 - 1)
    this.#whole = setTimeout(() => this.#abort(`slower than ${IMPORT_RATE_MIN} bytes a second`), wholeMs)
    this.#stall = this.#startStall()
  }

  progress(): void {
    clearTimeout(this.#stall)
    this.#stall = this.#startStall()
  }

  stop(): void {
    clearTimeout(this.#stall)
    clearTimeout(this.#whole)
    this.#controller.abort() // frees a body that was not read to its end
  }

  #startStall(): NodeJS.Timeout {
    return setTimeout(() => this.#abort(`nothing came for ${this.#stallMsMax / 1000} s`), this.#stallMsMax)
  }

  #abort(reason: string): void {
    this.reason = reason
    this.#controller.abort()
  }
}

/** fetch says "fetch failed" and keeps what happened as cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
