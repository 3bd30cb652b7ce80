/** The crowds that `npm run sim` runs unless it is told otherwise: those of the benchmark over real links, by the same names. */
import type { Line } from './bound.ts'
import { HOSTILE_KINDS } from './hostile.ts'
import type { WorldOptions } from './world.ts'

export interface Crowd extends Omit<WorldOptions, 'seed'> {
  readonly name: string
  /** One sentence for the table. */
  readonly what: string
}

const MIB = 1024 * 1024
/** Peers of each node; below this many nodes everybody knows everybody. */
const DEGREE = 30

export const CROWDS: readonly Crowd[] = [
  crowd('8', '8 takers 16/32, 16 MiB', equal(8, 16, 32), [16 * MIB]),
  crowd('16', '16 takers 8/16, 16 MiB', equal(16, 8, 16), [16 * MIB]),
  crowd('24', '24 takers 6/12, 12 MiB', equal(24, 6, 12), [12 * MIB]),
  crowd('slow-origin', '16 takers 32/32, origin 8 up, 8 MiB', [line(8, 32), ...equal(15, 32, 32)], [8 * MIB]),
  crowd('asymmetric', '16 takers 4/32, origin 16 up, 8 MiB', [line(16, 32), ...equal(15, 4, 32)], [8 * MIB]),
  crowd('half-slow', '12 takers 16/32, 6 of them 4 up, 12 MiB', [...equal(6, 16, 32), ...equal(5, 4, 32)], [12 * MIB]),
  { ...crowd('delay', '8 takers 16/32, 50 ms one way, 16 MiB', equal(8, 16, 32), [16 * MIB]), delayMs: 50 },
  {
    ...crowd('killed', '12 takers 16/32, 4 leave half-way, 16 MiB', equal(12, 16, 32), [16 * MIB]),
    leaves: new Map([1, 2, 3, 4].map((taker) => [taker, 4_000])),
  },
  crowd('small', '16 takers 8/16, files of 18 to 196 kB, 16 MiB', equal(16, 8, 16), smallFiles(16 * MIB)),
  crowd('small-1', '16 takers 8/16, files of 18 to 196 kB, 1 MiB', equal(16, 8, 16), smallFiles(MIB)),
  {
    ...crowd('whole', '16 takers 8/16, the 16 MiB of files checked whole', equal(16, 8, 16), []),
    files: smallFiles(16 * MIB).map((byteLength) => ({ byteLength, checksBlocks: false })),
  },
  { ...crowd('100', '100 takers 8/32 with 12 neighbours, 4 MiB', equal(100, 8, 32), [4 * MIB]), degree: 12 },
  crowd('hostile-0', '12 takers 16/32, 12 MiB', equal(12, 16, 32), [12 * MIB]),
  hostile('hostile-50', 12, 12),
  hostile('hostile-90', 6, 54),
]

/** A crowd of which some harm, of every kind as many. The bound and the copies are those of the honest ones alone. */
function hostile(name: string, honest: number, harmful: number): Crowd {
  const what = `${honest} takers 16/32 and ${harmful} hostile ones, 12 MiB`
  const kinds = Array.from({ length: harmful }, (_, i) => HOSTILE_KINDS[i % HOSTILE_KINDS.length] ?? 'liar')
  const takers = new Map(kinds.map((kind, i) => [honest + 1 + i, kind]))
  return { ...crowd(name, what, equal(honest + harmful, 16, 32), [12 * MIB]), hostile: takers }
}

function crowd(name: string, what: string, lines: readonly Line[], sizes: readonly number[]): Crowd {
  const files = sizes.map((byteLength) => ({ byteLength, checksBlocks: true }))
  return { name, what, files, lines, delayMs: 10, degree: DEGREE }
}

/** An origin and `takers` with lines like its own, in Mbit/s. */
function equal(takers: number, up: number, down: number): Line[] {
  return Array.from({ length: takers + 1 }, () => line(up, down))
}

function line(up: number, down: number): Line {
  return { up: up * 125_000, down: down * 125_000 }
}

/** Around 59 kB, the median of Debian's packages, and up to three times less or more. */
function smallFiles(byteLength: number): number[] {
  const sizes: number[] = []
  for (let sum = 0; sum < byteLength; sum += sizes.at(-1) ?? 0) {
    sizes.push(Math.round(59_000 * Math.exp(1.2 * Math.sin(sizes.length * 7.3))))
  }
  return sizes
}
