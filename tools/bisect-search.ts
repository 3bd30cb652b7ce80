/**
 * The search for the first bad release between a good one and a bad one: pure, over a function that judges one release.
 *
 * A release that cannot be judged is passed over for one near it, as `git bisect run` does.
 */
import { FreshetError } from '../schemas/errors.ts'

export type Verdict = 'good' | 'bad' | 'skip'

/** Release numbers: `good` is good and `bad`, a later one, is bad. */
export interface BisectEnds {
  readonly good: number
  readonly bad: number
}

/** @param left how many releases could still be the first bad one. */
export type Judge = (release: number, left: number) => Promise<Verdict>

/** @throws FreshetError BISECT_UNVERIFIED unless the command agrees about both ends. */
export async function verifyEnds({ good, bad }: BisectEnds, judge: Judge): Promise<void> {
  for (const [release, expected] of [
    [good, 'good'],
    [bad, 'bad'],
  ] as const) {
    const verdict = await judge(release, bad - good)
    if (verdict === expected) continue
    const found = verdict === 'skip' ? 'it cannot be tested' : `the command finds it ${verdict}`
    const message = `#${release} should be ${expected}, and ${found}`
    throw new FreshetError('BISECT_UNVERIFIED', message, { release, expected, verdict })
  }
}

/**
 * @returns the last good and the first bad release, which follow each other.
 * @throws FreshetError BISECT_UNDECIDED when nothing between them can be judged; what `judge` throws.
 */
export async function findFirstBad(ends: BisectEnds, judge: Judge): Promise<BisectEnds> {
  let { good, bad } = ends
  const skipped = new Set<number>()
  while (bad - good > 1) {
    const release = nearestToMiddle(good, bad, skipped)
    if (release === null) {
      const message = `the first bad release is one of #${good + 1} to #${bad}; all but #${bad} cannot be tested`
      throw new FreshetError('BISECT_UNDECIDED', message, { lastGood: good, firstBad: bad })
    }
    const verdict = await judge(release, bad - good)
    if (verdict === 'good') good = release
    else if (verdict === 'bad') bad = release
    else skipped.add(release)
  }
  return { good, bad }
}

/** Strictly between both; null: all of these were skipped. */
function nearestToMiddle(good: number, bad: number, skipped: ReadonlySet<number>): number | null {
  const middle = Math.floor((good + bad) / 2)
  for (let distance = 0; distance < bad - good; distance++) {
    for (const release of [middle + distance, middle - distance]) {
      if (release > good && release < bad && !skipped.has(release)) return release
    }
  }
  return null
}
