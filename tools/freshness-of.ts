/** Fields of a result that say whether the release it is about is frozen. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'

export interface Freshness {
  readonly frozen: boolean
  /** The Valid-Until that has passed. */
  readonly frozenSince: string | null
}

/** An old release is as old as it should be: only the newest one can be frozen. */
export function freshnessOf(node: Node, channel: Channel, number: number): Freshness {
  const since = channel.current?.release.number === number ? node.frozenSince(channel) : null
  return { frozen: since !== null, frozenSince: since === null ? null : new Date(since).toISOString() }
}
