/** Numbers as the runs that they make, for increments of a set: gap, length, gap, length, and so on. */
import { invalid } from './codec.ts'

/** @param numbers ascending, none twice. */
export function runsOf(numbers: Iterable<number>): number[] {
  const runs: number[] = []
  let next = 0
  for (const number of numbers) {
    const last = runs.length - 1
    if (runs.length > 0 && number === next) runs[last] = (runs[last] ?? 0) + 1
    else runs.push(number - next, 1)
    next = number + 1
  }
  return runs
}

/**
 * The same in several lists, for words of bounded length.
 * @param countMax numbers of one list. @param runsMax numbers that a list of runs has: even.
 */
export function* runLists(numbers: readonly number[], countMax: number, runsMax: number): IterableIterator<number[]> {
  for (let at = 0; at < numbers.length; at += countMax) {
    const runs = runsOf(numbers.slice(at, at + countMax))
    let end = 0
    for (let run = 0; run < runs.length; run += runsMax) {
      const part = runs.slice(run, run + runsMax)
      const span = part.reduce((sum, length) => sum + length, 0)
      part[0] = (part[0] ?? 0) + end // each list counts from zero
      end += span
      yield part
    }
  }
}

/** @throws FreshetError EVENT_INVALID: numbers from `bound` on, more than `countMax`, runs that are empty or touch each other. */
export function numbersIn(runs: readonly number[], bound: number, countMax: number): number[] {
  if (runs.length % 2 !== 0) throw invalid('a run without its length')
  const numbers: number[] = []
  let next = 0
  for (let at = 0; at < runs.length; at += 2) {
    const [gap = 0, length = 0] = [runs[at], runs[at + 1]]
    if (length === 0 || (gap === 0 && at > 0)) throw invalid('a run that is empty or belongs to the one before')
    const end = next + gap + length
    if (end > bound || numbers.length + length > countMax) throw invalid(`numbers up to ${end}, of ${bound}`)
    for (let number = next + gap; number < end; number++) numbers.push(number)
    next = end
  }
  return numbers
}
