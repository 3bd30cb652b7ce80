/** The stanzas of runs, one number for each: block and ordinal. Positions along a chain stay below 2^31, so it is exact. */
import type { Run } from '../../schemas/edit-script.ts'
import { STANZAS_PER_BLOCK_MAX } from '../../schemas/limits.ts'

export function* placesOf(runs: readonly Run[]): Generator<number> {
  for (const { block, first, count } of runs) {
    for (let ordinal = first; ordinal < first + count; ordinal++) yield block * STANZAS_PER_BLOCK_MAX + ordinal
  }
}
