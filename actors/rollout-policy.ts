/** Which release of a channel a node takes while not everybody is offered the newest: a function of the log, the node's key and its config. */
import type { NodeConfig } from '../schemas/node-config.ts'
import { isPartial, rolloutPlace, SHARE_WHOLE } from '../schemas/rollout.ts'
import type { Rollouts, RolloutState } from '../schemas/rollout.ts'
import type { KeyHex } from '../schemas/units.ts'

/** Whose choice it is. */
export interface RolloutView {
  readonly channelKey: KeyHex
  readonly nodeKey: KeyHex
  readonly preference: NodeConfig['rollout']
}

/** A halted release is for nobody who has not taken it, whatever they prefer. */
export function isOffered(state: RolloutState, { channelKey, nodeKey, preference }: RolloutView): boolean {
  if (!isPartial(state)) return true
  if (state.halted !== null || preference === 'last') return false
  if (preference === 'early') return true
  return rolloutPlace(Buffer.from(channelKey, 'hex'), state.number, Buffer.from(nodeKey, 'hex')) < state.share
}

/**
 * The newest release that is offered, and never one before `served`: what was taken stays taken. 0: none is.
 * @param newest of the log. @param served 0: none yet.
 */
export function offeredRelease(
  newest: number,
  served: number,
  rollouts: Rollouts,
  offered: (state: RolloutState) => boolean,
): number {
  for (let number = newest; number > served; number--) {
    const state = rollouts.get(number) ?? { number, share: SHARE_WHOLE, halted: null }
    if (offered(state)) return number
  }
  return served
}
