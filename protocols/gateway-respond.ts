/**
 * Answers of the gateway: a file, whole or in parts, or a line of text.
 *
 * Headers wait for the first bytes, so that a fetch which fails can still be told as a status. After them the only honest
 * way to fail is to cut the connection: the chunk that would complete a range is held back until its source has ended
 * well. A response buffers at most one chunk and the socket's own buffer.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { asFreshetError, type ErrorCode, FreshetError } from '../schemas/errors.ts'
import { GATEWAY_RETRY_AFTER_S, GATEWAY_STALL_MS_MAX, GATEWAY_WRITE_BYTES_MAX } from '../schemas/limits.ts'
import { type ByteRange, chooseRange, contentRange } from './gateway-range.ts'
import type { ServedFile } from './gateway-source.ts'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
  /** The first byte of the answer is due: absolute, in `performance.now()` time. */
  readonly firstByteAtMs: number
}

export type Headers = Record<string, string>

/** A body: stretches of the file, each after some bytes of its own, and a last line. */
interface BodyPlan {
  readonly status: number
  readonly headers: Headers
  readonly segments: readonly { readonly prefix: Buffer; readonly range: ByteRange }[]
  readonly suffix: Buffer
}

const NOTHING = Buffer.alloc(0)
const CUT_MS_MAX = 2000

const STATUS: Partial<Record<ErrorCode, number>> = {
  PATH_INVALID: 400,
  REQUEST_REFUSED: 400,
  USAGE: 400,
  CHANNEL_UNKNOWN: 404,
  CHANNEL_NAME_INVALID: 404,
  CHANNEL_ID_INVALID: 404,
  RELEASE_UNKNOWN: 404,
  NOT_FOUND: 404,
  INTERNAL: 500,
  PEER_SLOW: 504,
}

/** @param range the Range header, undefined where it is absent or must not be obeyed. */
export async function sendFile(
  exchange: Exchange,
  file: ServedFile,
  headers: Headers,
  range: string | undefined,
): Promise<void> {
  const choice = chooseRange(range, file.byteLength)
  if (choice.kind === 'unsatisfiable') {
    const error = new FreshetError('REQUEST_REFUSED', `the file has ${file.byteLength} bytes: no such range`)
    return sendError(exchange, error, 416, { 'Content-Range': `bytes */${file.byteLength}` })
  }
  const plan = choice.kind === 'whole' ? planWhole(file, headers) : planParts(file, headers, choice.ranges)
  const byteLength = plan.segments.reduce(
    (sum, { prefix, range: { start, end } }) => sum + prefix.byteLength + end - start,
    plan.suffix.byteLength,
  )
  const { request, response } = exchange
  const writeHead = (): unknown =>
    response.writeHead(plan.status, { ...plan.headers, 'Content-Length': String(byteLength) })
  if (request.method !== 'HEAD') {
    for (const { prefix, range: wanted } of plan.segments) {
      let before = prefix
      for await (const chunk of readExactly(exchange, file, wanted)) {
        if (!response.headersSent) writeHead()
        if (before.byteLength > 0) await write(exchange, before)
        before = NOTHING
        await write(exchange, chunk)
      }
    }
  }
  if (!response.headersSent) writeHead()
  response.end(request.method === 'HEAD' ? undefined : plan.suffix)
}

function planWhole(file: ServedFile, headers: Headers): BodyPlan {
  return {
    status: 200,
    headers,
    segments: [{ prefix: NOTHING, range: { start: 0, end: file.byteLength } }],
    suffix: NOTHING,
  }
}

/** RFC 9110 section 15.3.7: one range has its place in a header; several are parts, each with a header of its own. */
function planParts(file: ServedFile, headers: Headers, ranges: readonly ByteRange[]): BodyPlan {
  const [only] = ranges
  if (only !== undefined && ranges.length === 1) {
    const partHeaders = { ...headers, 'Content-Range': contentRange(only, file.byteLength) }
    return { status: 206, headers: partHeaders, segments: [{ prefix: NOTHING, range: only }], suffix: NOTHING }
  }
  const boundary = randomBytes(16).toString('hex')
  const type = headers['Content-Type'] ?? 'application/octet-stream'
  const segments = ranges.map((range) => {
    const place = contentRange(range, file.byteLength)
    const text = `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${place}\r\n\r\n`
    return { prefix: Buffer.from(text), range }
  })
  return {
    status: 206,
    headers: { ...headers, 'Content-Type': `multipart/byteranges; boundary=${boundary}` },
    segments,
    suffix: Buffer.from(`\r\n--${boundary}--\r\n`),
  }
}

/** The bytes of `range`, no more and no fewer; the last chunk only when the source has ended without an error. */
async function* readExactly(exchange: Exchange, file: ServedFile, range: ByteRange): AsyncGenerator<Buffer> {
  let missing = range.end - range.start
  if (missing === 0) return
  const iterator = file.read(range.start, range.end, exchange.signal)[Symbol.asyncIterator]()
  let held: Buffer | null = null
  try {
    for (;;) {
      const result = await within(iterator.next(), exchange.signal, waitMs(exchange))
      if (result.done === true) break
      missing -= result.value.byteLength
      if (missing < 0) throw new FreshetError('INTERNAL', `more bytes than ${range.start}-${range.end} were read`)
      if (missing > 0) yield result.value
      else held = held === null ? result.value : Buffer.concat([held, result.value])
    }
    if (missing > 0) throw new FreshetError('INTERNAL', `${missing} bytes of ${range.start}-${range.end} are missing`)
    if (held !== null) yield held
  } finally {
    // Not awaited: a source that hangs would hang its reader. Its own failure has no one left to tell.
    iterator.return?.().catch(() => undefined)
  }
}

function waitMs({ response, firstByteAtMs }: Exchange): number {
  return response.headersSent ? GATEWAY_STALL_MS_MAX : Math.max(0, firstByteAtMs - performance.now())
}

async function write({ response, signal }: Exchange, chunk: Buffer): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; offset += GATEWAY_WRITE_BYTES_MAX) {
    signal.throwIfAborted()
    if (response.write(chunk.subarray(offset, offset + GATEWAY_WRITE_BYTES_MAX))) continue
    await within(once(response, 'drain', { signal }), signal, GATEWAY_STALL_MS_MAX)
  }
}

/** @throws FreshetError PEER_SLOW when `promise` is not settled in time; the signal's reason when the client is gone. */
export async function within<T>(promise: Promise<T>, signal: AbortSignal, waitMsMax: number): Promise<T> {
  promise.catch(() => undefined) // when it loses the race, its failure has nobody left to tell
  signal.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  let onAbort: (() => void) | undefined
  const stop = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    const slow = () => reject(new FreshetError('PEER_SLOW', `nothing arrived within ${Math.round(waitMsMax / 1000)} s`))
    timer = setTimeout(slow, waitMsMax)
  })
  try {
    return await Promise.race([promise, stop])
  } finally {
    clearTimeout(timer)
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

/** Answers with `CODE: message` while that is still possible, else cuts the connection: never a body that only looks whole. */
export function sendError(exchange: Exchange, error: unknown, status?: number, headers: Headers = {}): void {
  const { response } = exchange
  if (response.headersSent || response.destroyed) {
    cut(exchange)
    return
  }
  const known = asFreshetError(error)
  const code = status ?? STATUS[known.code] ?? 503
  // What failed inside may name files of this machine: it goes to the log, not over the wire.
  const message = known.code === 'INTERNAL' ? 'the daemon failed; its log says more' : known.message
  const retry: Headers = code >= 503 ? { 'Retry-After': String(GATEWAY_RETRY_AFTER_S) } : {}
  sendText(exchange, code, `${known.code}: ${message}\n`, { ...retry, ...headers })
}

/** What was written still goes out, so that apt continues from there; a client that does not read gets no more time. */
function cut({ request: { socket }, response }: Exchange): void {
  if (socket.destroyed || response.destroyed) {
    response.destroy()
    return
  }
  const timer = setTimeout(() => socket.destroy(), CUT_MS_MAX)
  socket.once('close', () => clearTimeout(timer))
  socket.destroySoon()
}

export function sendText({ request, response }: Exchange, status: number, text: string, headers: Headers = {}): void {
  const body = Buffer.from(text)
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Length': String(body.byteLength),
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
