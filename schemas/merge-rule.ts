/** The rules by which, and when, a fork takes upstream's packages, as people write them. */
import { FreshetError } from './errors.ts'
import type { AutoMerge, MergeRule } from './events.ts'

/** What each does is in schemas/curate.ts. */
export const MERGE_RULES: readonly MergeRule[] = ['keep-ours', 'newer', 'theirs']

/** @throws FreshetError USAGE. */
export function parseMergeRule(text: string): MergeRule {
  const rule = MERGE_RULES.find((known) => known === text)
  if (rule !== undefined) return rule
  throw new FreshetError('USAGE', `${JSON.stringify(text)} is none of ${MERGE_RULES.join(', ')}`)
}

export const AUTO_MERGES: readonly AutoMerge[] = ['off', 'clean', 'always']

/** @throws FreshetError USAGE. */
export function parseAutoMerge(text: string): AutoMerge {
  const auto = AUTO_MERGES.find((known) => known === text)
  if (auto !== undefined) return auto
  throw new FreshetError('USAGE', `${JSON.stringify(text)} is none of ${AUTO_MERGES.join(', ')}`)
}
