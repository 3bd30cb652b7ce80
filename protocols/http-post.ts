/**
 * One HTTP POST of a JSON text, as a webhook takes it: no redirect is followed, nothing of the answer is read but its status.
 *
 * Every request has a connection of its own and one deadline over all: notifications are few.
 */
import * as http from 'node:http'
import * as https from 'node:https'
import { FreshetError } from '../schemas/errors.ts'
import { WEBHOOK_MS_MAX } from '../schemas/limits.ts'

export interface JsonPost {
  /** Checked (schemas/webhook-url.ts). */
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Instead of WEBHOOK_MS_MAX. */
  readonly msMax?: number
}

/** Resolves when the server has answered 2xx. @throws FreshetError WEBHOOK_FAILED (detail `status`), INTERRUPTED. */
export async function postJson({ url, body, headers, signal, msMax = WEBHOOK_MS_MAX }: JsonPost): Promise<void> {
  const { origin, protocol } = new URL(url) // paths and queries hold tokens: messages name the server only
  const deadline = AbortSignal.timeout(msMax)
  const bytes = Buffer.from(body)
  const options: http.RequestOptions = {
    method: 'POST',
    agent: false,
    signal: AbortSignal.any([signal, deadline]),
    headers: {
      ...headers,
      'content-type': 'application/json',
      'content-length': bytes.byteLength,
      'user-agent': 'freshet',
    },
  }
  const status = await new Promise<number>((resolve, reject) => {
    const request = protocol === 'https:' ? https.request(url, options) : http.request(url, options)
    request.once('response', (response) => {
      response.on('error', () => {}) // the status has come
      response.destroy()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
    request.end(bytes)
  }).catch((error: NodeJS.ErrnoException) => {
    if (signal.aborted) throw new FreshetError('INTERRUPTED', 'the delivery was interrupted')
    const reason = deadline.aborted ? `no answer in ${msMax / 1000} s` : (error.code ?? error.message)
    throw new FreshetError('WEBHOOK_FAILED', `${origin}: ${reason}`, { status: 0 }, error)
  })
  if (status < 200 || status > 299) throw new FreshetError('WEBHOOK_FAILED', `${origin} answers ${status}`, { status })
}
