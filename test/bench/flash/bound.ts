/**
 * The least time in which the last node of a crowd can have a file, whatever the protocol.
 *
 * Source: Kumar and Ross, "Peer-Assisted File Distribution: The Minimum Distribution Time", 2006.
 */
import type { Link } from './rows.ts'

const BITS_PER_BYTE = 8
const BITS_PER_MBIT = 1e6

/** Seconds: the origin sends everything once, the slowest takes it in, and everybody's uplinks carry all copies. */
export function distributionBoundS(byteLength: number, origin: Link, receivers: readonly Link[]): number {
  const megabits = (byteLength * BITS_PER_BYTE) / BITS_PER_MBIT
  const slowestDown = Math.min(...receivers.map(({ down }) => down))
  const allUp = receivers.reduce((sum, { up }) => sum + up, origin.up)
  return Math.max(megabits / origin.up, megabits / slowestDown, (receivers.length * megabits) / allUp)
}

/** Seconds for late-comers: no origin, but `sources` that have all of it. */
export function lateBoundS(byteLength: number, sources: readonly Link[], late: readonly Link[]): number {
  const megabits = (byteLength * BITS_PER_BYTE) / BITS_PER_MBIT
  const allUp = [...sources, ...late].reduce((sum, { up }) => sum + up, 0)
  return Math.max(megabits / Math.min(...late.map(({ down }) => down)), (late.length * megabits) / allUp)
}
