/** The least time in which a crowd of a row can be done, in seconds. */
import { kumarRoss, type Line } from '../../../tools/sim/bound.ts'
import type { Link } from './rows.ts'

const BYTES_PER_MBIT = 125_000

/** The origin sends everything once, the slowest takes it in, and everybody's uplinks carry all copies. */
export function distributionBoundS(byteLength: number, origin: Link, receivers: readonly Link[]): number {
  return kumarRoss(byteLength, lineOf(origin), receivers.map(lineOf))
}

/** For late-comers: no origin, but `sources` that have all of it. */
export function lateBoundS(byteLength: number, sources: readonly Link[], late: readonly Link[]): number {
  const lines = late.map(lineOf)
  const allUp = [...sources.map(lineOf), ...lines].reduce((sum, { up }) => sum + up, 0)
  return Math.max(byteLength / Math.min(...lines.map(({ down }) => down)), (late.length * byteLength) / allUp)
}

function lineOf({ up, down }: Link): Line {
  return { up: up * BYTES_PER_MBIT, down: down * BYTES_PER_MBIT }
}
