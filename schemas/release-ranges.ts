/** Sets of releases as ranges of their numbers: which releases held this, which held all of these. */

/** Releases first..last, both included; last >= first >= 1. */
export interface ReleaseRange {
  readonly first: number
  readonly last: number
}

/** The union, ascending; ranges that touch or overlap become one. */
export function unionOf(ranges: Iterable<ReleaseRange>): ReleaseRange[] {
  const union: { first: number; last: number }[] = []
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = union.at(-1)
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last)
    else union.push({ first, last })
  }
  return union
}

/** Releases in both, ascending. Each must be ascending and without overlaps, as `unionOf` gives them. */
export function intersectionOf(a: readonly ReleaseRange[], b: readonly ReleaseRange[]): ReleaseRange[] {
  const common: ReleaseRange[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [one, other] = [a[i] as ReleaseRange, b[j] as ReleaseRange]
    const [first, last] = [Math.max(one.first, other.first), Math.min(one.last, other.last)]
    if (first <= last) common.push({ first, last })
    if (one.last < other.last) i++
    else j++
  }
  return common
}
