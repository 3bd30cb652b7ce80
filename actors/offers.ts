/**
 * What this node takes of releases that are not offered to everybody, and the second look at them when its owner chose otherwise.
 *
 * What the log says is looked at whenever a head arrives (actors/follow-channel.ts); the owner's choice comes from the config, at a
 * start or at any time.
 */
import type { NodeConfig } from '../schemas/node-config.ts'
import type { RolloutState } from '../schemas/rollout.ts'
import type { KeyHex } from '../schemas/units.ts'
import type { RunningChannel } from './channel-actors.ts'
import type { Channel } from './channel.ts'
import { prepareSnapshot } from './ports/prepare-snapshot.ts'
import type { PrepareSnapshotDeps } from './ports/prepare-snapshot.ts'
import { isOffered } from './rollout-policy.ts'

export interface OffersDeps extends Omit<PrepareSnapshotDeps, 'channel'> {
  readonly nodeKey: KeyHex
  readonly preference: NodeConfig['rollout']
  /** Those whose releases are made ready here. */
  readonly running: () => Iterable<RunningChannel>
  readonly onDefect: (error: unknown) => void
}

export class Offers {
  readonly #deps: OffersDeps
  readonly #closed = new AbortController()
  #preference: NodeConfig['rollout']

  constructor(deps: OffersDeps) {
    this.#deps = deps
    this.#preference = deps.preference
  }

  /** Who makes releases has them. */
  has({ key, role }: Channel, state: RolloutState): boolean {
    const view = { channelKey: key, nodeKey: this.#deps.nodeKey, preference: this.#preference }
    return role === 'publisher' || isOffered(state, view)
  }

  configure({ rollout }: NodeConfig): void {
    if (rollout === this.#preference) return
    this.#preference = rollout
    for (const running of this.#deps.running()) this.look(running)
  }

  /** Makes a release ready that is offered by now. Whoever is preparing one looks by itself. */
  look({ channel, actor }: RunningChannel): void {
    const { context, ...state } = actor.getSnapshot()
    if (!state.matches({ following: 'current' }) || channel.offered <= context.readyNumber) return
    const { record, now, onTrouble, onDefect } = this.#deps
    prepareSnapshot({ channel, record, now, onTrouble }, this.#closed.signal).catch(onDefect)
  }

  close(): void {
    this.#closed.abort()
  }
}
