/** `freshet withdraw CHANNEL NAME=VERSION --reason TEXT`: a version that nobody should take any more. */
import type { Command } from 'commander'
import { withNode } from '../run-operation.ts'
import type { WithdrawResult } from '../withdraw.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'
import { requestOf, signersText, withRequestOptions } from './request-options.ts'
import type { RequestOptions } from './request-options.ts'

interface WithdrawOptions extends CommonOptions, RequestOptions {
  readonly reason: string
}

export function addWithdrawCommand(program: Command): void {
  withRequestOptions(withCommonOptions(program.command('withdraw').argument('<channel>').argument('<name=version>')))
    .description('take a version of your own channel back, for ever: followers are told at once')
    .requiredOption('--reason <text>', 'what is wrong with it')
    .action(async (channel: string, name: string, options: WithdrawOptions) => {
      const context = contextOf(options)
      const args = { channel, package: name, reason: options.reason, ...requestOf(options) }
      const said = (await withNode(context, 'withdraw', (call) => call('withdraw', args))) as WithdrawResult
      context.output.result(said, () => withdrawnText(said))
    })
}

function withdrawnText({ channel, name, version, inNewest, request }: WithdrawResult): string {
  if (request !== null) return `the withdrawal is prepared\n${signersText(channel, request)}`
  const still = inNewest
    ? `; the newest release still lists it, as its signed index says: the next import leaves it out where Freshet makes the index`
    : ''
  return `${name}=${version} is withdrawn from ${channel}${still}`
}
