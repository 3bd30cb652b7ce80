/** Ranges of releases as people read them. */
import type { RangesView } from './history-operations.ts'

/** One line a range: its releases, and when the first and the last of them were published. */
export function rangeLines({ ranges, times }: RangesView, newest: number): string[] {
  return ranges.map(([first, last], i) => {
    const [from = '', until = ''] = times[i] ?? []
    const isOne = first === last
    const numbers = isOne ? `#${first}` : `#${first} to #${last}`
    const published = isOne ? dayAndTime(from) : `${dayAndTime(from)} to ${dayAndTime(until)}`
    return `${numbers}  ${published}${last === newest ? ', the newest' : ''}`
  })
}

export function dayAndTime(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ')
}
