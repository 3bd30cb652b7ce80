/**
 * Request targets of the gateway: `/CHANNEL[@WHEN]/PATH`, and the Host a request names.
 *
 * Pure. Decodes percent signs exactly once and refuses whatever could mean another file to somebody behind it.
 * `.` segments are dropped: apt asks a flat repository for `/CHANNEL/./InRelease`.
 * Sources: RFC 9112 section 3.2 (request target), RFC 3986 section 2.1, Debian's repository format (by-hash, flat).
 */
import { FreshetError } from '../schemas/errors.ts'
import { GATEWAY_PATH_BYTES_MAX, GATEWAY_WHEN_BYTES_MAX } from '../schemas/limits.ts'

export interface GatewayPath {
  /** null: the page at `/`. */
  readonly channel: string | null
  readonly when: string | null
  /** Relative to the channel's root; empty for the root itself. */
  readonly path: string
}

const CHANNEL = /^[a-z0-9][a-z0-9+._-]{0,63}$/
// C0, DEL, C1, the line separators and the backslash: no file of a repository has them, headers and terminals obey some.
// eslint-disable-next-line no-control-regex
const REFUSED_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\]/u

/** @throws FreshetError PATH_INVALID. `target` is in origin form, as it came over the wire. */
export function parseGatewayPath(target: string): GatewayPath {
  if (Buffer.byteLength(target) > GATEWAY_PATH_BYTES_MAX) {
    throw invalid(`longer than ${GATEWAY_PATH_BYTES_MAX} bytes`, target)
  }
  if (!target.startsWith('/')) throw invalid('does not start with /', target)
  if (target.includes('?')) throw invalid('a query is not known here', target)
  if (target === '/') return { channel: null, when: null, path: '' }
  const [first, ...rest] = target.slice(1).split('/')
  const { channel, when } = splitWhen(decodeSegment(first ?? '', target), target)
  // The channel's own root may be written with or without a slash; anywhere else an empty segment is refused.
  if (rest.length === 1 && rest[0] === '') rest.pop()
  const segments = rest.map((segment) => decodeSegment(segment, target)).filter((segment) => segment !== '.')
  return { channel, when, path: segments.join('/') }
}

/** Percent signs are decoded once, after the split: an encoded slash never makes a new segment. */
function decodeSegment(raw: string, target: string): string {
  let segment: string
  try {
    segment = decodeURIComponent(raw)
  } catch (error) {
    throw invalid('a percent escape is malformed', target, error)
  }
  if (segment === '') throw invalid('an empty segment', target)
  if (segment === '..') throw invalid('a .. segment', target)
  if (segment.includes('/')) throw invalid('an encoded slash', target)
  if (REFUSED_CHARACTERS.test(segment)) throw invalid('a control character or a backslash', target)
  return segment
}

function splitWhen(segment: string, target: string): { channel: string; when: string | null } {
  const at = segment.indexOf('@')
  const channel = at === -1 ? segment : segment.slice(0, at)
  const when = at === -1 ? null : segment.slice(at + 1)
  if (!CHANNEL.test(channel)) throw invalid('the first segment is neither a channel name nor an id', target)
  if (when === '') throw invalid('nothing follows the @', target)
  if (when !== null && Buffer.byteLength(when) > GATEWAY_WHEN_BYTES_MAX) {
    throw invalid(`what follows the @ is longer than ${GATEWAY_WHEN_BYTES_MAX} bytes`, target)
  }
  return { channel, when }
}

/** Directory of a suite's release files, without a closing slash: `dists/bookworm`, or `''` for a flat repository `./`. */
function suiteDirectory(suite: string): string {
  if (suite !== '' && suite !== '.' && !suite.endsWith('/')) return `dists/${suite}`
  return suite
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/')
}

/** True for the file that starts a client's session: it decides which release every later answer belongs to. */
export function startsSession(path: string, suite: string): boolean {
  const directory = suiteDirectory(suite)
  const prefix = directory === '' ? '' : `${directory}/`
  return path === `${prefix}InRelease` || path === `${prefix}Release`
}

/** True where the path itself names the bytes. */
export function isByHash(path: string): boolean {
  return /(^|\/)by-hash\/[A-Za-z0-9]+\/[0-9a-f]+$/.test(path)
}

/** True for a path under `dists/` that belongs to another suite than this channel's. */
export function isForeignSuite(path: string, suite: string): boolean {
  const directory = suiteDirectory(suite)
  return directory.startsWith('dists/') && path.startsWith('dists/') && !path.startsWith(`${directory}/`)
}

export interface Authority {
  /** Lower case, without the brackets of an IPv6 address. */
  readonly hostname: string
  readonly port: number | null
}

/** @returns null when `text` is not `host[:port]`; user information counts as malformed. */
export function parseAuthority(text: string): Authority | null {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?$/.exec(text)
  if (match === null) return null
  const hostname = (match[1] ?? match[2] ?? '').toLowerCase().replace(/\.$/, '')
  const port = match[3] === undefined ? null : Number(match[3])
  return hostname === '' || (port !== null && port > 65_535) ? null : { hostname, port }
}

export interface RequestTarget {
  /** null: the target is in origin form and names no host. */
  readonly authority: Authority | null
  readonly path: string
}

/** Takes the absolute form apart. @returns null for other schemes, the authority form and the asterisk form. */
export function parseRequestTarget(target: string): RequestTarget | null {
  if (target.startsWith('/')) return { authority: null, path: target }
  const match = /^http:\/\/([^/?#]*)(.*)$/i.exec(target)
  if (match === null) return null
  const authority = parseAuthority(match[1] ?? '')
  return authority === null ? null : { authority, path: match[2] === '' ? '/' : (match[2] ?? '/') }
}

function invalid(reason: string, target: string, cause?: unknown): FreshetError {
  const shown = target.length > 100 ? `${target.slice(0, 100)}...` : target
  return new FreshetError('PATH_INVALID', `the request path ${JSON.stringify(shown)} is refused: ${reason}`, {}, cause)
}
