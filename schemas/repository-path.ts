/**
 * What a path inside a repository may look like, wherever one comes from outside: the Filename of a stanza, a line of a
 * Release file, a request.
 *
 * A path is printable ASCII, segments separated by single slashes. Refused: absolute paths, empty, `.` and `..` segments,
 * backslashes, control characters, and everything beyond ASCII (two different names could look alike).
 * A `%` is an ordinary character (`foo_1%3a2.0_amd64.deb` is a file name that apt itself writes), except that an escaped
 * dot, slash, backslash or control character is refused: it turns unsafe in any program that decodes once too often.
 * Flat repositories write `./foo.deb`: one leading `./` is legal, and is kept, because the bytes of a stanza are.
 * Source: Debian Policy 5.6.24 (Files, Filename), the repository format page of the Debian wiki.
 */
import { PATH_BYTES_MAX } from './limits.ts'

const PRINTABLE = /^[\x20-\x7e]+$/
const ESCAPED = /%(?:[01][0-9a-f]|2[ef]|5c|7f)/i

/** @returns what is wrong with `path`, worded to follow "the path ...", or null when it is safe. */
export function repositoryPathFault(path: string): string | null {
  if (path === '') return 'is empty'
  if (path.length > PATH_BYTES_MAX) return `has more than ${PATH_BYTES_MAX} bytes`
  if (!PRINTABLE.test(path)) return 'has a control character or a character beyond ASCII'
  if (path.includes('\\')) return 'has a backslash'
  if (path.startsWith('/')) return 'is absolute'
  if (path.includes('%') && ESCAPED.test(path)) return 'has an escaped dot, slash, backslash or control character'
  let start = path.startsWith('./') ? 2 : 0
  for (;;) {
    const slash = path.indexOf('/', start)
    const length = (slash === -1 ? path.length : slash) - start
    if (length === 0) return 'has an empty segment'
    if (length <= 2 && path.charCodeAt(start) === 0x2e && path.charCodeAt(start + length - 1) === 0x2e) {
      return 'has a segment that is . or ..'
    }
    if (slash === -1) return null
    start = slash + 1
  }
}
