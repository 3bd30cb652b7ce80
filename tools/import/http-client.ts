/**
 * GET with every bound a hostile or sick server calls for: size, silence, slowness, redirects, tries.
 *
 * Bodies are never taken on trust: callers check a hash.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { discard, follow, SilenceWatch } from '../../protocols/http-get.ts'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import { IMPORT_RATE_MIN, IMPORT_REDIRECTS_MAX, IMPORT_STALL_MS_MAX, IMPORT_TRIES_MAX } from '../../schemas/limits.ts'

export interface GetOptions {
  /** One byte more is an error: SOURCE_UNAVAILABLE naming the bound. */
  readonly byteLengthMax: number
  readonly signal?: AbortSignal | undefined
  /** For tests: the waits of this client, default IMPORT_STALL_MS_MAX. */
  readonly stallMsMax?: number | undefined
}

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
  const watch = new SilenceWatch(stallMsMax, signal)
  const whole = endWhenSlow(watch, byteLengthMax, stallMsMax)
  try {
    const answer = await follow(url, {
      watch,
      redirectsMax: IMPORT_REDIRECTS_MAX,
      headers: { 'user-agent': USER_AGENT },
      refuse: (reason, redirect) => new FreshetError('SOURCE_UNAVAILABLE', `${url}: ${reason}`, { url, redirect }),
    })
    if (ABSENT.has(answer.status)) {
      await discard(answer)
      return false
    }
    if (answer.status !== 200) {
      await discard(answer)
      throw new FreshetError('SOURCE_UNAVAILABLE', `${url}: the server answers ${answer.status}`, {
        url,
        status: answer.status,
      })
    }
    let byteLength = 0
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      watch.progress()
      byteLength += chunk.byteLength
      if (byteLength > byteLengthMax) {
        const reason = `${url}: the server sends more than ${byteLengthMax} bytes`
        throw new FreshetError('SOURCE_UNAVAILABLE', reason, { url, byteLengthMax })
      }
      await onChunk(chunk)
    }
    return true
  } catch (error) {
    if (signal?.aborted === true)
      throw new FreshetError('INTERRUPTED', `${url}: the import was interrupted`, { url }, error)
    if (error instanceof FreshetError) throw error
    throw new FreshetError(
      'SOURCE_UNAVAILABLE',
      `${url}: ${watch.reason ?? asFreshetError(error).message}`,
      { url },
      error,
    )
  } finally {
    clearTimeout(whole)
    watch.stop()
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

/** One try is so slow that it takes longer than its size can excuse: endless data must end. */
function endWhenSlow(watch: SilenceWatch, byteLengthMax: number, stallMsMax: number): NodeJS.Timeout {
  const wholeMs = Math.min(stallMsMax + (byteLengthMax / IMPORT_RATE_MIN) * 1000, 2 ** 31 - 1)
  return setTimeout(() => watch.abort(`slower than ${IMPORT_RATE_MIN} bytes a second`), wholeMs)
}
