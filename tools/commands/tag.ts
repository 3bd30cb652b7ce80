/** `freshet tag CHANNEL[@WHEN] NAME`: a name for a release, given once and for ever. */
import type { Command } from 'commander'
import { splitChannelWhen } from '../../schemas/when.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface TagResult {
  readonly channel: string
  readonly tag: string
  readonly release: number
}

export function addTagCommand(program: Command): void {
  withCommonOptions(program.command('tag').argument('<channel[@when]>').argument('<name>'))
    .description('name a release of your own channel, for ever; without @WHEN the newest')
    .action(async (text: string, name: string, options: CommonOptions) => {
      const context = contextOf(options)
      const args = { ...splitChannelWhen(text), tag: name }
      const tagged = (await withNode(context, 'tag', (call) => call('tag', args))) as TagResult
      context.output.result(tagged, () => `${tagged.channel}@${tagged.tag} is release #${tagged.release}`)
    })
}
