/**
 * Globs over package names: `*` is any number of characters, `?` is one, everything else is itself.
 *
 * A glob comes from a person and is tried on every package that changed, so it is matched in at most name times glob steps, and
 * never as a regular expression. `[...]` is no part of it: package names have no character that would need it.
 */
import { FreshetError } from './errors.ts'
import { GLOB_BYTES_MAX } from './limits.ts'

/** The characters of a package name (Debian Policy 5.6.1), and the two that stand for others. */
const GLOB = /^[a-z0-9+.*?-]+$/

/** @throws FreshetError GLOB_INVALID. */
export function requireGlob(text: string): string {
  if (text.length <= GLOB_BYTES_MAX && GLOB.test(text)) return text
  throw new FreshetError('GLOB_INVALID', `${JSON.stringify(text.slice(0, 100))} is no glob over package names`)
}

/** Goes back to the newest `*` only: an earlier one can do nothing that this one cannot. */
export function matchesGlob(glob: string, name: string): boolean {
  let [at, from] = [0, 0]
  let [star, taken] = [-1, 0]
  while (from < name.length) {
    if (glob[at] === '*') {
      star = at++
      taken = from
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === name[from])) {
      at++
      from++
    } else if (star >= 0) {
      at = star + 1
      from = ++taken
    } else return false
  }
  while (glob[at] === '*') at++
  return at === glob.length
}
