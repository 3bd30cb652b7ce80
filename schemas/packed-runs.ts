/**
 * Runs of an index as bytes that compress well: one column of blocks, one of first stanzas, one of counts.
 *
 * An index in a long history is made of what is left of many blocks, and what is left of one block stands in the index in the
 * same order as in the block. So `first` is written as the step from where the last run of the same block ended: mostly
 * nothing or a small number. 63,440 stanzas over a thousand blocks take some 2 bytes a run after brotli.
 */
import type { Run } from './edit-script.ts'
import { decodeRecord, encodeRecord, invalid, list, struct, uint } from './codec.ts'
import { STANZAS_MAX } from './limits.ts'

const columns = struct({
  blocks: list(uint, STANZAS_MAX),
  steps: list(uint, STANZAS_MAX),
  counts: list(uint, STANZAS_MAX),
})

export function packRuns(runs: readonly Run[]): Buffer {
  const ends = new Map<number, number>()
  const steps = runs.map(({ block, first, count }) => {
    const step = first - (ends.get(block) ?? 0)
    ends.set(block, first + count)
    return step < 0 ? -2 * step - 1 : 2 * step
  })
  return encodeRecord(columns, {
    blocks: runs.map(({ block }) => block),
    steps,
    counts: runs.map(({ count }) => count),
  })
}

/** @throws FreshetError EVENT_INVALID unless these are runs of at most STANZAS_MAX stanzas. */
export function unpackRuns(packed: Uint8Array): Run[] {
  const { blocks, steps, counts } = decodeRecord(columns, packed)
  if (steps.length !== blocks.length || counts.length !== blocks.length) {
    throw invalid(`a checkpoint has columns of ${blocks.length}, ${steps.length} and ${counts.length} runs`)
  }
  const ends = new Map<number, number>()
  let total = 0
  return blocks.map((block, i) => {
    const [step = 0, count = 0] = [steps[i], counts[i]]
    const first = (ends.get(block) ?? 0) + (step % 2 === 0 ? step / 2 : -(step + 1) / 2)
    total += count
    if (count === 0 || total > STANZAS_MAX || first < 0) throw invalid(`run ${i} of a checkpoint breaks a bound`)
    ends.set(block, first + count)
    return { block, first, count }
  })
}
