/**
 * Differences between two snapshots as lists of runs: which stanzas came and which went, by their position in the log.
 *
 * Order does not matter here (a moved stanza neither came nor went). Work is proportional to the number of runs.
 */
import { pushRun } from './edit-script.ts'
import type { EditOp, Run } from './edit-script.ts'

export interface RunDifference {
  readonly added: readonly Run[]
  readonly removed: readonly Run[]
}

/** Stanzas of `after` that `before` lacks, and the other way round. */
export function differenceOfRuns(before: readonly Run[], after: readonly Run[]): RunDifference {
  const old = byBlock(before)
  const fresh = byBlock(after)
  return { added: subtract(fresh, old), removed: subtract(old, fresh) }
}

/** The same for what a script makes of `runs`, which it fits; costs the script, and a look at each run. */
export function differenceOfScript(runs: readonly Run[], script: readonly EditOp[]): RunDifference {
  const dropped: Run[] = []
  const inserted: Run[] = []
  let at = 0
  let used = 0 // of the run at `at`
  for (const op of script) {
    if (op.op === 'insert') {
      pushRun(inserted, op.block, op.first, op.count)
      continue
    }
    for (let left = op.count; left > 0;) {
      const { block, first, count } = runs[at] as Run
      const taken = Math.min(left, count - used)
      if (op.op === 'drop') pushRun(dropped, block, first + used, taken)
      left -= taken
      used = used + taken === count ? 0 : used + taken
      if (used === 0) at++
    }
  }
  return differenceOfRuns(dropped, inserted) // what has moved is in both
}

/** In the order in which blocks are first named. */
export function runsByBlock(runs: readonly Run[]): Map<number, Run[]> {
  const blocks = new Map<number, Run[]>()
  for (const run of runs) {
    const known = blocks.get(run.block)
    if (known === undefined) blocks.set(run.block, [run])
    else known.push(run)
  }
  return blocks
}

interface Interval {
  readonly start: number
  readonly end: number
}

/** Per block: disjoint intervals of ordinals, ascending. */
function byBlock(runs: readonly Run[]): Map<number, Interval[]> {
  const blocks = new Map<number, Interval[]>()
  for (const { block, first, count } of runs) {
    const interval = { start: first, end: first + count }
    const known = blocks.get(block)
    if (known === undefined) blocks.set(block, [interval])
    else known.push(interval)
  }
  for (const [block, intervals] of blocks) blocks.set(block, merged(intervals))
  return blocks
}

function merged(intervals: Interval[]): Interval[] {
  const result: { start: number; end: number }[] = []
  for (const { start, end } of intervals.sort((a, b) => a.start - b.start)) {
    const last = result.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else result.push({ start, end })
  }
  return result
}

function subtract(
  from: ReadonlyMap<number, readonly Interval[]>,
  what: ReadonlyMap<number, readonly Interval[]>,
): Run[] {
  const left: Run[] = []
  for (const [block, intervals] of from) {
    const holes = what.get(block) ?? []
    let hole = 0
    for (const { start, end } of intervals) {
      let at = start
      while (hole < holes.length && (holes[hole] as Interval).end <= at) hole++
      for (let i = hole; i < holes.length && (holes[i] as Interval).start < end; i++) {
        const { start: holeStart, end: holeEnd } = holes[i] as Interval
        if (holeStart > at) left.push({ block, first: at, count: holeStart - at })
        at = Math.max(at, holeEnd)
      }
      if (at < end) left.push({ block, first: at, count: end - at })
    }
  }
  return left
}
