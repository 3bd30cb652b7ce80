/** Which releases of a history a sample takes: chosen by a seed, so that who doubts the choice can make it again. */
import { createHash } from 'node:crypto'

/** `count` of the numbers first..last, ascending: those with the lowest SHA-256 of seed and number. */
export function chooseReleases(first: number, last: number, count: number, seed: string): number[] {
  const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
  const lots = numbers.map((number) => ({
    number,
    lot: createHash('sha256').update(`${seed} ${number}`).digest('hex'),
  }))
  lots.sort((a, b) => (a.lot < b.lot ? -1 : 1))
  return lots
    .slice(0, count)
    .map(({ number }) => number)
    .sort((a, b) => a - b)
}
