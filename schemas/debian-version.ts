/**
 * Order of Debian version numbers.
 *
 * Refuses nothing when comparing: any two texts have an order, the one `dpkg --compare-versions` gives where both are
 * versions. `isVersion` is the check for what comes from outside.
 * Source: Debian Policy 5.6.12; the bounds of the epoch are those of dpkg (lib/dpkg/parsehelp.c).
 */
import { VERSION_BYTES_MAX } from './limits.ts'

/** dpkg keeps an epoch in an int. */
const EPOCH_MAX = 2_147_483_647

const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const HYPHEN = 0x2d
const TILDE = 0x7e

// Policy says that the upstream part "should" start with a digit: versions that start with a letter exist.
const VERSION = /^(?:([0-9]{1,10}):(?=.))?[A-Za-z0-9.+~:-]*$/
const REVISION = /^[A-Za-z0-9.+~]+$/

/** @returns true when `text` is `[epoch:]upstream[-revision]` with the characters that Policy allows in each part. */
export function isVersion(text: string): boolean {
  if (text.length === 0 || text.length > VERSION_BYTES_MAX) return false
  const match = VERSION.exec(text)
  if (match === null) return false
  const epoch = match[1]
  if (epoch === undefined ? text.includes(':') : Number(epoch) > EPOCH_MAX) return false
  const upstreamStart = epoch === undefined ? 0 : epoch.length + 1
  const hyphen = text.lastIndexOf('-')
  if (hyphen === -1) return true
  return hyphen > upstreamStart && REVISION.test(text.slice(hyphen + 1))
}

/**
 * @returns less than, equal to, or greater than 0. Different texts can be equal: `1.0`, `1.00`, `0:1.0` and `1.0-0` are.
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0
  const epochEndA = epochEnd(a)
  const epochEndB = epochEnd(b)
  if (epochEndA !== 0 || epochEndB !== 0) {
    const order = compareParts(a, 0, epochEndA, b, 0, epochEndB)
    if (order !== 0) return order
  }
  const startA = epochEndA === 0 ? 0 : epochEndA + 1
  const startB = epochEndB === 0 ? 0 : epochEndB + 1
  const upstreamEndA = upstreamEnd(a, startA)
  const upstreamEndB = upstreamEnd(b, startB)
  const order = compareParts(a, startA, upstreamEndA, b, startB, upstreamEndB)
  if (order !== 0) return order
  return compareParts(a, upstreamEndA + 1, a.length, b, upstreamEndB + 1, b.length)
}

/** Position of the colon after a numeric epoch; 0 when there is none. */
function epochEnd(text: string): number {
  let at = 0
  while (isDigit(text, at, text.length)) at++
  return at > 0 && text.charCodeAt(at) === COLON ? at : 0
}

/** The last hyphen ends the upstream part; without one the revision is empty, which sorts like `0`. */
function upstreamEnd(text: string, start: number): number {
  for (let at = text.length - 1; at >= start; at--) if (text.charCodeAt(at) === HYPHEN) return at
  return text.length
}

/** Alternates between a run of non-digits, compared by `weight`, and a run of digits, compared as a number of any length. */
function compareParts(a: string, startA: number, endA: number, b: string, startB: number, endB: number): number {
  let i = startA
  let j = startB
  while (i < endA || j < endB) {
    while ((i < endA && !isDigit(a, i, endA)) || (j < endB && !isDigit(b, j, endB))) {
      const difference = weight(a, i, endA) - weight(b, j, endB)
      if (difference !== 0) return difference
      i++
      j++
    }
    while (i < endA && a.charCodeAt(i) === ZERO) i++
    while (j < endB && b.charCodeAt(j) === ZERO) j++
    let firstDifference = 0
    while (isDigit(a, i, endA) && isDigit(b, j, endB)) {
      if (firstDifference === 0) firstDifference = a.charCodeAt(i) - b.charCodeAt(j)
      i++
      j++
    }
    if (isDigit(a, i, endA)) return 1 // more digits left: the larger number
    if (isDigit(b, j, endB)) return -1
    if (firstDifference !== 0) return firstDifference
  }
  return 0
}

function isDigit(text: string, at: number, end: number): boolean {
  if (at >= end) return false
  const code = text.charCodeAt(at)
  return code >= ZERO && code <= NINE
}

/** `~` before the end of the part (and before a digit), letters after it, everything else after all letters. */
function weight(text: string, at: number, end: number): number {
  if (at >= end) return 0
  const code = text.charCodeAt(at)
  if (code >= ZERO && code <= NINE) return 0
  if (code === TILDE) return -1
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a && code < 0x80 ? code : code + 256
}
