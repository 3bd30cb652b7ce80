/**
 * How the stanzas of one index file change from release to release.
 *
 * A snapshot of an index is a list of runs: which stanzas of which log blocks it consists of, in order. An edit script turns
 * the runs of one release into those of the next: keep, drop, insert. This file applies scripts and finds the shortest
 * script between two sequences; schemas/stanza-table.ts knows which stanzas are equal and where their text is.
 * Scripts come from outside: one that does not fit its base exactly is refused whole.
 * Source: Hunt and Szymanski 1977 (longest common subsequence through a longest increasing one).
 */
import { FreshetError } from './errors.ts'
import type { EditOp } from './events.ts'
import { EDIT_OPS_MAX, STANZAS_MAX } from './limits.ts'

export type { EditOp } from './events.ts'

/** Stanzas `first..first+count` of log block `block`. */
export interface Run {
  readonly block: number
  readonly first: number
  readonly count: number
}

/** `first` of an insert is a position in the sequence after. */
export type SequenceOp =
  | { readonly op: 'keep' | 'drop'; readonly count: number }
  | { readonly op: 'insert'; readonly first: number; readonly count: number }

/** @returns the number of stanzas in `runs`. */
export function stanzaCount(runs: readonly Run[]): number {
  let count = 0
  for (const run of runs) count += run.count
  return count
}

/**
 * Whether the inserted blocks exist and have that many stanzas is for the caller, who has the log, to check.
 * @returns the runs of the next release; neighbours that continue each other are merged, if they were in `runs`.
 * @throws FreshetError EVENT_INVALID when the script does not consume exactly `runs`, or breaks a bound
 */
export function applyScript(runs: readonly Run[], script: readonly EditOp[]): Run[] {
  if (script.length > EDIT_OPS_MAX) throw invalid(`it has ${script.length} operations`)
  const next: Run[] = []
  let total = 0
  let at = 0 // run that is being consumed, and how much of it is
  let used = 0
  for (const [index, op] of script.entries()) {
    if (!isPositive(op.count)) throw invalid(`operation ${index} is about ${op.count} stanzas`)
    if (op.op !== 'drop') total += op.count
    if (total > STANZAS_MAX) throw invalid(`operation ${index} makes more than ${STANZAS_MAX} stanzas`)
    if (op.op === 'insert') {
      if (!isPosition(op.block) || !isPosition(op.first)) throw invalid(`operation ${index} inserts from nowhere`)
      pushRun(next, op.block, op.first, op.count)
      continue
    }
    let left = op.count
    while (left > 0) {
      const run = runs[at]
      if (run === undefined) throw invalid(`operation ${index} goes ${left} stanzas beyond the release before`)
      const taken = Math.min(left, run.count - used)
      if (op.op === 'keep') {
        // After the first run of an operation nothing can be merged: its neighbours were not before. In a long history
        // nearly all runs come by here, 64 times for one release: they are passed on as they are.
        if (left < op.count && taken === run.count) next.push(run)
        else pushRun(next, run.block, run.first + used, taken)
      }
      left -= taken
      used += taken
      if (used === run.count) {
        at++
        used = 0
      }
    }
  }
  if (at < runs.length) throw invalid('it does not say what becomes of the last stanzas of the release before')
  return next
}

/**
 * The shortest script from `before` to `after`, where equal numbers mean equal things; O(n log n).
 * Shortest where each number occurs once on a side. A number that repeats is paired in order of occurrence: the script is
 * right but may be longer than necessary. What has moved is dropped and inserted.
 */
export function diffSequences(before: Int32Array, after: Int32Array): SequenceOp[] {
  const shorter = Math.min(before.length, after.length)
  let head = 0
  while (head < shorter && before[head] === after[head]) head++
  let tail = 0
  while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const beforeEnd = before.length - tail
  const afterEnd = after.length - tail
  const kept = keptPositions(before.subarray(head, beforeEnd), after.subarray(head, afterEnd))

  const ops: SequenceOp[] = []
  let keeping = head
  let i = head // next of before and after that the script has not dealt with
  let j = head
  const flush = (dropEnd: number, insertEnd: number): void => {
    if (i === dropEnd && j === insertEnd) return
    if (keeping > 0) ops.push({ op: 'keep', count: keeping })
    keeping = 0
    if (i < dropEnd) ops.push({ op: 'drop', count: dropEnd - i })
    if (j < insertEnd) ops.push({ op: 'insert', first: j, count: insertEnd - j })
  }
  kept.forEach((position, offset) => {
    if (position === -1) return
    flush(head + position, head + offset)
    keeping++
    i = head + position + 1
    j = head + offset + 1
  })
  flush(beforeEnd, afterEnd)
  keeping += tail
  if (keeping > 0) ops.push({ op: 'keep', count: keeping })
  return ops
}

/** Stands for the base itself in runs that scripts are applied to; no script can insert from there. */
const BASE = -1

/** `count` stanzas of a base that is not looked at before `onBase`: scripts applied to this cost their own length, not that of the base. */
export function asBase(count: number): Run[] {
  return count === 0 ? [] : [{ block: BASE, first: 0, count }]
}

/** @returns what scripts have made of `asBase`, with the runs of `base` in their places. */
export function onBase(base: readonly Run[], edited: readonly Run[]): Run[] {
  const next: Run[] = []
  let at = 0 // run of the base, and the number of its first stanza: what scripts keep stays in order
  let start = 0
  for (const { block, first, count } of edited) {
    if (block !== BASE) pushRun(next, block, first, count)
    for (let from = first, left = block === BASE ? count : 0; left > 0;) {
      const run = base[at] as Run
      const skipped = from - start
      if (skipped >= run.count) {
        start += run.count
        at++
        continue
      }
      const taken = Math.min(left, run.count - skipped)
      if (from > first && taken === run.count) next.push(run)
      else pushRun(next, run.block, run.first + skipped, taken)
      from += taken
      left -= taken
    }
  }
  return next
}

/** Adds an operation to the end of `script`, growing the last one where it is continued. */
export function pushOp(script: EditOp[], op: EditOp): void {
  const last = script.at(-1)
  const continues =
    last?.op === 'insert' && op.op === 'insert'
      ? last.block === op.block && last.first + last.count === op.first
      : last !== undefined && last.op === op.op
  if (last === undefined || !continues) script.push(op)
  else script[script.length - 1] = { ...last, count: last.count + op.count }
}

/** Adds stanzas to the end of `runs`, growing the last run where they continue it. */
export function pushRun(runs: Run[], block: number, first: number, count: number): void {
  const last = runs.at(-1)
  if (last !== undefined && last.block === block && last.first + last.count === first) {
    runs[runs.length - 1] = { block, first: last.first, count: last.count + count }
  } else runs.push({ block, first, count })
}

/** For each of `after`: the position in `before` that stays in place as it, or -1. Positions that are not -1 increase. */
function keptPositions(before: Int32Array, after: Int32Array): Int32Array {
  const pairs = pairPositions(before, after)
  // Longest increasing subsequence by patience sorting: tops[k] is where the best sequence of length k + 1 ends.
  const tops = new Int32Array(after.length)
  const previous = new Int32Array(after.length)
  let length = 0
  for (let j = 0; j < pairs.length; j++) {
    const position = pairs[j] ?? -1
    if (position === -1) continue
    let low = 0
    let high = length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((pairs[tops[middle] ?? 0] ?? 0) < position) low = middle + 1
      else high = middle
    }
    previous[j] = low === 0 ? -1 : (tops[low - 1] ?? -1)
    tops[low] = j
    if (low === length) length++
  }
  const kept = new Int32Array(after.length).fill(-1)
  for (let j = length === 0 ? -1 : (tops[length - 1] ?? -1); j !== -1; j = previous[j] ?? -1) kept[j] = pairs[j] ?? -1
  return kept
}

/** Pairs the k-th occurrence of each number in `after` with the k-th in `before`; -1 where there is none. */
function pairPositions(before: Int32Array, after: Int32Array): Int32Array {
  const following = new Int32Array(before.length).fill(-1) // next occurrence of the same number
  const firsts = new Map<number, number>()
  for (let i = before.length - 1; i >= 0; i--) {
    const key = before[i] ?? 0
    following[i] = firsts.get(key) ?? -1
    firsts.set(key, i)
  }
  const pairs = new Int32Array(after.length)
  for (let j = 0; j < after.length; j++) {
    const key = after[j] ?? 0
    const position = firsts.get(key) ?? -1
    pairs[j] = position
    if (position !== -1) firsts.set(key, following[position] ?? -1)
  }
  return pairs
}

function isPositive(count: number): boolean {
  return Number.isSafeInteger(count) && count > 0
}

function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function invalid(reason: string): FreshetError {
  return new FreshetError('EVENT_INVALID', `edit script: ${reason}`)
}
