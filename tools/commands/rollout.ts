/** `freshet rollout CHANNEL [RELEASE --share P]`, `freshet halt` and `freshet resume`: to whom a release is offered. */
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { rolloutLine } from '../output.ts'
import type { RolloutList, RolloutResult } from '../rollout.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'
import { requestOf, signersText, withRequestOptions } from './request-options.ts'
import type { RequestOptions } from './request-options.ts'

interface RolloutOptions extends CommonOptions, RequestOptions {
  readonly share?: string
}

interface HaltOptions extends CommonOptions, RequestOptions {
  readonly reason: string
}

export function addRolloutCommands(program: Command): void {
  withRequestOptions(withCommonOptions(program.command('rollout').argument('<channel>').argument('[release]')))
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
  withRequestOptions(withCommonOptions(program.command('halt').argument('<channel>').argument('<release>')))
    .description('offer a release of your own channel to nobody who has not taken it yet')
    .requiredOption('--reason <text>', 'what is wrong with it')
    .action((channel: string, release: string, options: HaltOptions) =>
      change('halt', { channel, release, reason: options.reason }, options),
    )
  withRequestOptions(withCommonOptions(program.command('resume').argument('<channel>').argument('<release>')))
    .description('offer a halted release again, to those it was offered to before')
    .action((channel: string, release: string, options: CommonOptions & RequestOptions) =>
      change('resume', { channel, release }, options),
    )
}

async function change(
  operation: 'rollout' | 'halt' | 'resume',
  said: object,
  options: CommonOptions & RequestOptions,
): Promise<void> {
  const context = contextOf(options)
  const args = { ...said, ...requestOf(options) }
  const changed = (await withNode(context, operation, (call) => call(operation, args))) as RolloutResult
  const { channel, request } = changed
  const signing = request === null ? '' : `, once it is signed\n${signersText(channel, request)}`
  context.output.result(changed, () => `${channel} ${rolloutLine(changed)}${signing}`)
}

function listText({ channel, rollouts }: RolloutList): string {
  if (rollouts.length === 0) return `${channel}: every release is offered to everybody`
  return rollouts.map((each) => `${channel} ${rolloutLine(each)}${each.taken ? ', and taken here' : ''}`).join('\n')
}
