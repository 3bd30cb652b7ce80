/**
 * What every HTTP GET of ours needs, whoever asks: redirects followed one by one, connections kept and counted, and an end for a
 * server that falls silent.
 *
 * Used by the importers (tools/import/http-client.ts) and for mirrors (mirror-client.ts). On node:http rather than fetch, which
 * bounds no connections, and unpacks what is to arrive packed. Bodies are never taken on trust. Goes to the server itself: it
 * knows no proxy of the environment.
 */
import * as http from 'node:http'
import * as https from 'node:https'
import { FreshetError } from '../schemas/errors.ts'
import { HTTP_CONNECTIONS_PER_HOST_MAX, HTTP_DISCARDED_BYTES_MAX, HTTP_IDLE_MS } from '../schemas/limits.ts'

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Characters of a Location that an error repeats. */
const LOCATION_SHOWN_MAX = 200
const KEPT = { keepAlive: true, maxSockets: HTTP_CONNECTIONS_PER_HOST_MAX, timeout: HTTP_IDLE_MS }
const AGENTS = { http: new http.Agent(KEPT), https: new https.Agent(KEPT) }

export interface FollowOptions {
  readonly watch: SilenceWatch
  readonly redirectsMax: number
  readonly headers: Readonly<Record<string, string>>
  /** The error for a redirect that is not followed. */
  readonly refuse: (reason: string, location: string) => FreshetError
}

export interface HttpAnswer {
  readonly status: number
  /** Null: there is none. */
  readonly header: (name: string) => string | null
  /** Still to be read, or discarded. */
  readonly body: http.IncomingMessage
}

/** @returns the first answer that is no redirect. @throws also what node:http throws. */
export async function follow(start: string, options: FollowOptions): Promise<HttpAnswer> {
  const { watch, redirectsMax, refuse } = options
  const headers = { 'accept-encoding': 'identity', ...options.headers }
  let url = new URL(start)
  for (let redirects = 0; ; redirects++) {
    const answer = await ask(url, headers, watch.signal)
    watch.progress()
    const location = answer.header('location')
    if (!REDIRECTS.has(answer.status) || location === null) return answer
    await discard(answer)
    const next = URL.canParse(location, url.href) ? new URL(location, url) : null
    const shown = location.slice(0, LOCATION_SHOWN_MAX)
    if (redirects === redirectsMax) throw refuse('too many redirects', shown)
    if (next === null || !/^https?:$/.test(next.protocol)) throw refuse('a redirect away from http and https', shown)
    url = next
  }
}

async function ask(url: URL, headers: http.OutgoingHttpHeaders, signal: AbortSignal): Promise<HttpAnswer> {
  const body = await send(url, headers, signal)
  body.on('error', () => {}) // whoever reads it has it, too; nobody may be reading
  const header = (name: string): string | null => {
    const value = body.headers[name]
    return value === undefined ? null : String(value)
  }
  return { status: body.statusCode ?? 0, header, body }
}

/** A kept connection may have been closed by the server just now: then the request is made again, on another one. */
function send(url: URL, headers: http.OutgoingHttpHeaders, signal: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:'
    const options = { agent: isSecure ? AGENTS.https : AGENTS.http, signal, headers }
    const asked = isSecure ? https.request(url, options) : http.request(url, options)
    let isAnswered = false
    asked.once('response', (response) => {
      isAnswered = true
      resolve(response)
    })
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (asked.reusedSocket && error.code === 'ECONNRESET' && !isAnswered) resolve(send(url, headers, signal))
      else reject(error)
    })
    asked.once('close', () => reject(new Error('the connection was closed')))
    asked.end()
  })
}

/** Ends an answer that is of no use: a short one is read, so that its connection can be used again. */
export async function discard({ header, body }: HttpAnswer): Promise<void> {
  const isShort = Number(header('content-length') ?? Number.NaN) <= HTTP_DISCARDED_BYTES_MAX
  if (!isShort) return void body.destroy()
  for await (const chunk of body) void chunk
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
