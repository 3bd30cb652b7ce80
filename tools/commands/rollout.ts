/** `freshet rollout CHANNEL [RELEASE --share P]`, `freshet halt` and `freshet resume`: to whom a release is offered. */
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { rolloutLine } from '../output.ts'
import type { RolloutList, RolloutResult } from '../rollout.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface RolloutOptions extends CommonOptions {
  readonly share?: string
}

interface HaltOptions extends CommonOptions {
  readonly reason: string
}

export function addRolloutCommands(program: Command): void {
  withCommonOptions(program.command('rollout').argument('<channel>').argument('[release]'))
    .description('offer a release of your own channel to more followers; without RELEASE what is not offered to all')
    .option('--share <percent>', 'how many of them, such as 25%; a share only grows')
    .action(async (channel: string, release: string | undefined, options: RolloutOptions) => {
      const { share } = options
      if ((share === undefined) !== (release === undefined)) throw new FreshetError('USAGE', 'RELEASE needs --share')
      if (release !== undefined) return change('rollout', { channel, release, share }, options)
      const context = contextOf(options)
      const list = (await withNode(context, 'rollout', (call) => call('rollout', { channel }))) as RolloutList
      context.output.result(list, () => listText(list))
    })
  withCommonOptions(program.command('halt').argument('<channel>').argument('<release>'))
    .description('offer a release of your own channel to nobody who has not taken it yet')
    .requiredOption('--reason <text>', 'what is wrong with it')
    .action((channel: string, release: string, options: HaltOptions) =>
      change('halt', { channel, release, reason: options.reason }, options),
    )
  withCommonOptions(program.command('resume').argument('<channel>').argument('<release>'))
    .description('offer a halted release again, to those it was offered to before')
    .action((channel: string, release: string, options: CommonOptions) =>
      change('resume', { channel, release }, options),
    )
}

async function change(operation: 'rollout' | 'halt' | 'resume', args: object, options: CommonOptions): Promise<void> {
  const context = contextOf(options)
  const changed = (await withNode(context, operation, (call) => call(operation, args))) as RolloutResult
  context.output.result(changed, () => `${changed.channel} ${rolloutLine(changed)}`)
}

function listText({ channel, rollouts }: RolloutList): string {
  if (rollouts.length === 0) return `${channel}: every release is offered to everybody`
  return rollouts.map((each) => `${channel} ${rolloutLine(each)}${each.taken ? ', and taken here' : ''}`).join('\n')
}
