/** Operations `rollout`, `halt` and `resume`: to whom a release of an own channel is offered. */
import type { Node } from '../actors/node.ts'
import { changeRollout } from '../actors/ports/roll-out.ts'
import type { RolloutChange } from '../actors/ports/roll-out.ts'
import { rolloutsOf } from '../actors/status.ts'
import type { RolloutStatus } from '../actors/status.ts'
import { parseShare, percentOf } from '../schemas/rollout.ts'
import { parseWhen } from '../schemas/when.ts'
import { flagOf, optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { requestPath, writeRequest } from './signing.ts'

export const ROLLOUT_OPERATIONS = ['rollout', 'halt', 'resume'] as const
type RolloutOperation = (typeof ROLLOUT_OPERATIONS)[number]

export interface RolloutResult {
  readonly channel: string
  readonly release: number
  /** Percent of the followers. */
  readonly share: number
  /** Why it is halted; null: it is not. */
  readonly halted: string | null
  /** The file that waits for signatures; null: this node signs alone, and it is said. */
  readonly request: string | null
}

export interface RolloutList {
  readonly channel: string
  readonly rollouts: readonly RolloutStatus[]
}

export function rolloutOperations(node: Node): Record<RolloutOperation, (args: Arguments) => Promise<unknown>> {
  const change = async (args: Arguments, of: RolloutChange): Promise<RolloutResult> => {
    const channel = node.session.channel(textOf(args, 'channel')).name
    const when = parseWhen(textOf(args, 'release'))
    const path = requestPath(node, channel, args)
    const replace = flagOf(args, 'replace')
    const changed = await node.changing(channel, (_, own, deps) => changeRollout(deps, own, when, of, replace))
    const { number, share, halted } = changed.state
    const request = await writeRequest(path, changed.request)
    return { channel, release: number, share: percentOf(share), halted, request }
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
