/**
 * When the last of a crowd can be done at the earliest, whatever anybody does: F bytes at N takers cannot be faster than the
 * origin's line, the slowest downlink, or all uplinks together (Kumar and Ross, "Peer-Assisted File Distribution", 2006).
 */
export interface Line {
  /** Bytes a second. */
  readonly up: number
  readonly down: number
}

/** Seconds. */
export function kumarRoss(byteLength: number, origin: Line, takers: readonly Line[]): number {
  const slowest = Math.min(...takers.map(({ down }) => down))
  const uplinks = takers.reduce((sum, { up }) => sum + up, origin.up)
  return Math.max(byteLength / origin.up, byteLength / slowest, (takers.length * byteLength) / uplinks)
}
