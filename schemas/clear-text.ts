/**
 * The signed text inside a clear-signed OpenPGP message, such as an InRelease. No cryptography happens here.
 *
 * What this returns is what the signature covers, and nothing else: trailing blanks of a line, which are not signed, are
 * dropped; a file that has anything before, between or after the parts of one message is refused, because readers of such
 * files have disagreed about which lines were signed (CVE-2013-1051 in apt).
 * Source: RFC 9580, 7 and 6.2; apt-pkg/contrib/gpgv.cc (SplitClearSignedFile) for the strictness.
 */
import { FreshetError } from './errors.ts'
import { IN_RELEASE_BYTES_MAX } from './limits.ts'

const MESSAGE = '-----BEGIN PGP SIGNED MESSAGE-----'
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----'
const SIGNATURE_END = '-----END PGP SIGNATURE-----'
const HASH_HEADER = /^Hash: [A-Za-z0-9-]+(?:, ?[A-Za-z0-9-]+)*$/

/**
 * @returns the text with dash-escapes undone, every line ended by one line feed, as apt writes it out: byte for byte the
 *   Release file that was signed, as long as that had no trailing blanks.
 * @throws FreshetError SIGNATURE_MISSING for anything but exactly one whole clear-signed message
 */
export function clearText(inRelease: Buffer): Buffer {
  if (inRelease.length > IN_RELEASE_BYTES_MAX) throw missing(`it has more than ${IN_RELEASE_BYTES_MAX} bytes`)
  if (inRelease.includes(0)) throw missing('it has a NUL')
  const lines = inRelease.toString('latin1').split(/\r?\n/)
  if (lines.some((line) => line.includes('\r'))) throw missing('it has a carriage return within a line')
  if (trimmed(lines[0]) !== MESSAGE) throw missing('it does not begin with a signed message')
  let at = 1
  while (HASH_HEADER.test(trimmed(lines[at]))) at++
  // Only a really empty line ends the headers: whether one of blanks does is what readers disagree about.
  if (lines[at] !== '') throw missing(`line ${at + 1} is no Hash header and not empty`)
  at++
  const text: string[] = []
  for (; trimmed(lines[at]) !== SIGNATURE; at++) {
    const line = lines[at]
    if (line === undefined) throw missing('it has no signature')
    if (line.startsWith('-') && !line.startsWith('- ')) throw missing(`line ${at + 1} begins with a bare dash`)
    text.push(trimmed(line.startsWith('- ') ? line.slice(2) : line))
  }
  for (at++; trimmed(lines[at]) !== SIGNATURE_END; at++) {
    const line = lines[at]
    if (line === undefined) throw missing('its signature has no end')
    if (line.startsWith('-')) throw missing(`line ${at + 1}, within the signature, begins with a dash`)
  }
  for (at++; at < lines.length; at++) {
    if (trimmed(lines[at]) !== '') throw missing(`line ${at + 1} stands after the signature`)
  }
  return Buffer.from(text.map((line) => `${line}\n`).join(''), 'latin1')
}

/** Trailing blanks are not part of a line (RFC 9580, 7.2). */
function trimmed(line: string | undefined): string {
  if (line === undefined) return ''
  let end = line.length
  while (end > 0 && ' \t'.includes(line.charAt(end - 1))) end--
  return line.slice(0, end)
}

function missing(reason: string): FreshetError {
  return new FreshetError('SIGNATURE_MISSING', `not a clear-signed file: ${reason}`)
}
