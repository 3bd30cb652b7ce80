/** `freshet maintainer invite|add|remove|list CHANNEL`: who writes the metadata of a channel. */
import type { Command } from 'commander'
import { parseCount } from '../arguments.ts'
import type { InviteResult, MaintainersResult } from '../maintainer-operations.ts'
import type { OperationName } from '../operations.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface InviteOptions extends CommonOptions {
  readonly name?: string
}
interface RemoveOptions extends CommonOptions {
  readonly changes?: number
}

export function addMaintainerCommands(program: Command): void {
  const maintainer = program.command('maintainer').description('who writes the metadata of a channel')
  withCommonOptions(maintainer.command('invite').argument('<channel>'))
    .description('make a key of your own for this channel; its publisher adds it')
    .option('--name <text>', 'what others see as the author of your changes')
    .action(async (channel: string, options: InviteOptions) => {
      const context = contextOf(options)
      const args = { channel, name: options.name ?? null }
      const invited = (await withNode(context, 'maintainer.invite', (call) =>
        call('maintainer.invite', args),
      )) as InviteResult
      context.output.result(invited, () => invited.key)
    })
  withCommonOptions(maintainer.command('add').argument('<channel>').argument('[key]'))
    .description('let a key write the metadata of your own channel; without KEY your own')
    .action(async (channel: string, key: string | undefined, options: CommonOptions) => {
      // Whose log is here need not be looked for.
      const needed = key === undefined ? 'maintainer.list' : 'maintainer.add'
      await change(options, 'maintainer.add', { channel, key: key ?? null }, needed)
    })
  withCommonOptions(maintainer.command('remove').argument('<channel>').argument('<key-or-name>'))
    .description('what they write from now on does not count; what they wrote before stays')
    .option('--changes <n>', 'how many of their changes count; default: all that are here', parseCount)
    .action(async (channel: string, key: string, options: RemoveOptions) => {
      await change(options, 'maintainer.remove', { channel, key, changes: options.changes ?? null })
    })
  withCommonOptions(maintainer.command('list').argument('<channel>'))
    .description('everybody who writes, or wrote, the metadata of a channel')
    .action((channel: string, options: CommonOptions) => change(options, 'maintainer.list', { channel }))
}

async function change(
  options: CommonOptions,
  operation: 'maintainer.add' | 'maintainer.remove' | 'maintainer.list',
  args: object,
  needed: OperationName = operation,
): Promise<void> {
  const context = contextOf(options)
  const listed = (await withNode(context, needed, (call) => call(operation, args))) as MaintainersResult
  context.output.result(listed, () => maintainersText(listed))
}

function maintainersText({ channel, maintainers, inherited }: MaintainersResult): string {
  if (maintainers.length + inherited.length === 0) return `nobody writes the metadata of ${channel}`
  const own = maintainers.map(({ key, name, changes, removedAfter, refused }) => {
    const removed = removedAfter === null ? '' : `  removed after change ${removedAfter}`
    const wrong = refused === null || removedAfter !== null ? '' : `  refused: ${refused}`
    return `${key}  ${changes} changes  ${name}${removed}${wrong}`
  })
  const theirs = inherited.map(({ by, name, of, changes }) => `${by}  ${changes} changes  ${name}  of ${of.channel}`)
  return [...own, ...theirs].join('\n')
}
