/**
 * URL of a webhook: http or https, as the WHATWG URL parser writes it. A query is part of it, as tokens often stand there; a user
 * or password is not, because it would be shown wherever the URL is.
 */
import { FreshetError } from './errors.ts'
import { TARGET_PLACE_BYTES_MAX } from './limits.ts'

/** @throws FreshetError WEBHOOK_INVALID. What is wrong may be a password: it is not repeated. */
export function requireWebhookUrl(text: string): string {
  if (text.length > TARGET_PLACE_BYTES_MAX || !URL.canParse(text)) throw invalid('it is no URL, or too long')
  const { protocol, username, password, hash, href } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') throw invalid('it is neither http nor https')
  if (username !== '' || password !== '') throw invalid('it has a user or password')
  if (hash !== '') throw invalid('it has a fragment')
  if (href.length > TARGET_PLACE_BYTES_MAX) throw invalid('it is too long')
  return href
}

function invalid(reason: string): FreshetError {
  return new FreshetError('WEBHOOK_INVALID', `the URL of a webhook: ${reason}`)
}
