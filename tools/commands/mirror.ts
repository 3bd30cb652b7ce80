/** `freshet mirror add|remove|list CHANNEL`: HTTP servers that have the channel's files. */
import type { Command } from 'commander'
import type { MirrorsResult } from '../mirrors.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface MirrorOptions extends CommonOptions {
  readonly local: boolean
}

export function addMirrorCommands(program: Command): void {
  const mirror = program.command('mirror').description('HTTP servers that have the files of a channel')
  addChange(
    mirror,
    'add',
    'name servers that have dists/ and pool/ below this URL, for everybody who follows the channel',
  )
  addChange(mirror, 'remove', 'name them no longer')
  withCommonOptions(mirror.command('list').argument('<channel>'))
    .description('the mirrors that a channel names, and those of this node')
    .action(async (channel: string, options: CommonOptions) => {
      const context = contextOf(options)
      const list = (await withNode(context, 'mirror.list', (call) => call('mirror.list', { channel }))) as MirrorsResult
      context.output.result(list, () => mirrorsText(list))
    })
}

function addChange(mirror: Command, how: 'add' | 'remove', description: string): void {
  withCommonOptions(mirror.command(how).argument('<channel>').argument('<url...>'))
    .description(description)
    .option('--local', 'for this node alone: any channel, nobody else is told', false)
    .action(async (channel: string, urls: readonly string[], options: MirrorOptions) => {
      const context = contextOf(options)
      const args = { channel, urls, local: options.local }
      const operation = `mirror.${how}` as const
      const changed = (await withNode(context, operation, (call) => call(operation, args))) as MirrorsResult
      context.output.result(changed, () => mirrorsText(changed))
    })
}

function mirrorsText({ channel, mirrors, local }: MirrorsResult): string {
  return [...mirrors, ...local.map((url) => `${url}  this node only`)].join('\n') || `${channel} has no mirror`
}
