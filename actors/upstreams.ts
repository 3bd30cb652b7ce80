/** The upstreams of forks on one node: found among its channels, followed where they are not, and taken as channels of their own when asked for. */
import type { KeyHex } from '../schemas/units.ts'
import type { Channel, Upstreams } from './channel.ts'

export interface UpstreamDeps {
  /** Among the channels that run. */
  readonly running: (key: KeyHex) => Channel | null
  /** Follows the log of a channel for its forks alone. */
  readonly add: (key: KeyHex) => Promise<Channel>
  /** @throws FreshetError EQUIVOCATION, HISTORY_REWRITE. */
  readonly requireRunning: (channel: Channel) => void
}

export class NodeUpstreams implements Upstreams {
  readonly #deps: UpstreamDeps
  /** Channels that the journal names, before they run: at a start a fork finds its upstream among them. */
  readonly #recovered = new Map<KeyHex, Channel>()

  constructor(deps: UpstreamDeps) {
    this.#deps = deps
  }

  recovered(channels: readonly Channel[]): void {
    for (const channel of channels) this.#recovered.set(channel.key, channel)
  }

  async find(key: KeyHex): Promise<Channel> {
    return this.#deps.running(key) ?? this.#recovered.get(key) ?? this.#deps.add(key)
  }

  requireRunning(channel: Channel): void {
    if (this.#deps.running(channel.key) !== null) this.#deps.requireRunning(channel)
  }
}

/**
 * Makes a channel that was here for its forks one whose releases are made ready.
 * @param record that it is followed now. @throws what preparing throws: then it is what it was.
 */
export async function followUpstream(channel: Channel, record: (channel: Channel) => Promise<void>): Promise<void> {
  channel.role = 'follower'
  try {
    await channel.prepare()
    await record(channel)
  } catch (error) {
    channel.role = 'upstream'
    throw error
  }
}
