/** The rules by which a fork takes upstream's packages, as people write them. */
import { FreshetError } from './errors.ts'
import type { MergeRule } from './events.ts'

/** What each does is in schemas/curate.ts. */
export const MERGE_RULES: readonly MergeRule[] = ['keep-ours', 'newer', 'theirs']

/** @throws FreshetError USAGE. */
export function parseMergeRule(text: string): MergeRule {
  const rule = MERGE_RULES.find((known) => known === text)
  if (rule !== undefined) return rule
  throw new FreshetError('USAGE', `${JSON.stringify(text)} is none of ${MERGE_RULES.join(', ')}`)
}
