/** The fetches of one session: from its pool, over its network, for its channels. */
import { FreshetError } from '../schemas/errors.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { Channel } from './channel.ts'
import { Fetches } from './ports/fetches.ts'
import type { Session } from './session.ts'

export function sessionFetches(
  session: Session,
  channelOf: (key: KeyHex) => Channel | null,
  onDefect: (error: unknown) => void,
): Fetches {
  return new Fetches({
    pool: session.pool,
    record: (fact) => session.record(fact),
    now: session.options.now,
    requireFetching: () => session.sharing.fetching.throwIfAborted(),
    transfer: async (sink, { key, path, block }, tally, signal) => {
      if (session.network === null) throw new FreshetError('NO_PEERS', 'this command runs without a network')
      const channel = channelOf(key)
      if (channel === null) throw new FreshetError('CHANNEL_UNKNOWN', 'its channel is not followed any more')
      const mirrored = { path, mirrors: session.mirrorsOf(key) }
      await session.network.fetch(sink, { channel, block, mirrored }, tally, signal)
    },
    onDefect,
  })
}
