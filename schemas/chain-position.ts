/**
 * Positions of blocks along a chain of logs: a fork's own log, that of its upstream, that of upstream's upstream, and so on.
 *
 * A fork's releases consist of stanzas of all these logs. One number names log and block: how far up the log is, times
 * POSITION_STEP, plus the position in it. So runs, edit scripts and what is made from them are the same for a fork as for any other
 * channel, a log of one's own needs nothing of this, and what an upstream's runs say becomes a fork's by adding one step.
 */
import type { Run } from './edit-script.ts'

/** Sixteen times LOG_BLOCKS_MAX. With UPSTREAMS_MAX levels positions stay below 2^31, which a script writes in five bytes. */
export const POSITION_STEP = 2 ** 27

/** How far up the log is; 0: the log itself. */
export function levelOf(position: number): number {
  return Math.floor(position / POSITION_STEP)
}

/** The position inside its log. */
export function withinLog(position: number): number {
  return position % POSITION_STEP
}

/** What an upstream calls `position`, as its fork calls it. */
export function seenFromFork(position: number): number {
  return position + POSITION_STEP
}

/** The other way round. */
export function seenFromUpstream(position: number): number {
  return position - POSITION_STEP
}

export function runsSeenFromFork(runs: readonly Run[]): Run[] {
  return runs.map(({ block, first, count }) => ({ block: seenFromFork(block), first, count }))
}
