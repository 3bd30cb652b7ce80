/** Operations `rollout`, `halt` and `resume`: to whom a release of an own channel is offered. */
import type { Node } from '../actors/node.ts'
import { changeRollout } from '../actors/ports/roll-out.ts'
import type { RolloutChange } from '../actors/ports/roll-out.ts'
import { rolloutsOf } from '../actors/status.ts'
import type { RolloutStatus } from '../actors/status.ts'
import { parseShare, percentOf } from '../schemas/rollout.ts'
import { parseWhen } from '../schemas/when.ts'
import { optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export const ROLLOUT_OPERATIONS = ['rollout', 'halt', 'resume'] as const
type RolloutOperation = (typeof ROLLOUT_OPERATIONS)[number]

export interface RolloutResult {
  readonly channel: string
  readonly release: number
  /** Percent of the followers. */
  readonly share: number
  /** Why it is halted; null: it is not. */
  readonly halted: string | null
}

export interface RolloutList {
  readonly channel: string
  readonly rollouts: readonly RolloutStatus[]
}

export function rolloutOperations(node: Node): Record<RolloutOperation, (args: Arguments) => Promise<unknown>> {
  const change = async (args: Arguments, of: RolloutChange): Promise<RolloutResult> => {
    const channel = node.session.channel(textOf(args, 'channel')).name
    const when = parseWhen(textOf(args, 'release'))
    const { number, share, halted } = await node.changing(channel, (_, own, deps) => changeRollout(deps, own, when, of))
    return { channel, release: number, share: percentOf(share), halted }
  }
  return {
    rollout: async (args) => {
      const share = optionalTextOf(args, 'share')
      if (share === null) return listRollouts(node, textOf(args, 'channel'))
      return change(args, { change: 'widen', share: parseShare(share) })
    },
    halt: (args) => change(args, { change: 'halt', reason: textOf(args, 'reason') }),
    resume: (args) => change(args, { change: 'resume' }),
  }
}

/** As the log has it at this moment. */
async function listRollouts(node: Node, name: string): Promise<RolloutList> {
  const channel = node.session.channel(name)
  return { channel: channel.name, rollouts: rolloutsOf(channel, await channel.history.rollouts()) }
}
