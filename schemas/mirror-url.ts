/**
 * Base URLs of HTTP mirrors, and where below one a file of the repository is.
 *
 * A base is kept as the WHATWG URL parser writes it, without a slash at its end: http or https, no user, query or fragment.
 * Paths are escaped as apt escapes them, so that a cache in between sees one URL for both.
 * Source: apt 2.6, methods/http.cc (URIEncode: "+~ "); Amazon's S3 takes a plain + for a space.
 */
import { FreshetError } from './errors.ts'
import { MIRROR_URL_BYTES_MAX } from './limits.ts'

/** @returns the base URL, normalised, or null when `text` cannot name a mirror. */
export function mirrorUrl(text: string): string | null {
  if (text.length > MIRROR_URL_BYTES_MAX || !URL.canParse(text)) return null
  const { protocol, username, password, search, hash, href } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') return null
  if (username !== '' || password !== '' || search !== '' || hash !== '' || /[?#]/.test(text)) return null
  const base = href.replace(/\/+$/, '')
  return base.length > MIRROR_URL_BYTES_MAX ? null : base
}

/** @throws FreshetError MIRROR_INVALID. */
export function requireMirrorUrl(text: string): string {
  const url = mirrorUrl(text)
  if (url !== null) return url
  // What is wrong may be a password: it is not repeated.
  const shown = URL.canParse(text) ? `${new URL(text).protocol}//${new URL(text).host}` : text.slice(0, 100)
  throw new FreshetError('MIRROR_INVALID', `${JSON.stringify(shown)} cannot name a mirror`, { url: shown })
}

/** Those of `urls` that can be used, each once, in order: a list from a log may hold anything. */
export function usableMirrors(urls: readonly string[]): string[] {
  return [...new Set(urls.filter((url) => mirrorUrl(url) === url))]
}

/** @param path as a stanza has it: relative to the root of the repository; a leading `./` does not count. */
export function fileUrl(base: string, path: string): string {
  const plain = path.startsWith('./') ? path.slice(2) : path
  return `${base}/${plain.split('/').map(escapeSegment).join('/')}`
}

function escapeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll('%2B', '%2b').replaceAll('%3A', ':').replaceAll('~', '%7e')
}
