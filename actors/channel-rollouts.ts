/** What the log of a channel says of releases that are not offered to everybody, and which release this node is to have by it. */
import { asFreshetError } from '../schemas/errors.ts'
import { isPartial } from '../schemas/rollout.ts'
import type { Rollouts, RolloutState } from '../schemas/rollout.ts'
import type { History } from '../store/history.ts'
import type { ReadOptions } from '../store/release-log.ts'
import { offeredRelease } from './rollout-policy.ts'

export class ChannelRollouts {
  readonly #history: History
  /** Releases of the log that are not offered to everybody, by number. */
  known: Rollouts = new Map()
  /** Whether this node takes a release now that not everybody is offered. */
  takes: (state: RolloutState) => boolean = () => true
  /** It was read anew; `before`: what was known of it. */
  onRead: (before: Rollouts) => void = () => {}

  constructor(history: History) {
    this.#history = history
  }

  /** After a note was read. Notes that do not hold hold nothing back. @throws FreshetError NO_PEERS: those that are there must be read. */
  async read(options: ReadOptions = {}): Promise<void> {
    this.known = await this.#history.rollouts(options).catch((error: unknown) => {
      if (['EVENT_INVALID', 'VERSION_UNSUPPORTED'].includes(asFreshetError(error).code)) return new Map()
      throw error
    })
  }

  /** Number of the newest release that this node takes; `served` at least. 0: none. */
  offered(served: number): number {
    return offeredRelease(this.#newest, served, this.known, this.takes)
  }

  /** Number of the newest release that everybody is offered; 0: none. */
  get offeredToAll(): number {
    return offeredRelease(this.#newest, 0, this.known, (state) => !isPartial(state))
  }

  get #newest(): number {
    return this.#history.newest?.number ?? 0
  }
}
