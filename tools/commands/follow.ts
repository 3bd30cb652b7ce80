/** `freshet follow ID`: follow a channel, then say what changes as it comes. */
import type { Command } from 'commander'
import type { NodeEvent } from '../../actors/notifier.ts'
import { eventLine } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, untilInterrupted, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'
import { filtersOf, withFilters } from './subscription.ts'
import type { FilterOptions } from './subscription.ts'

interface FollowOptions extends CommonOptions, FilterOptions {
  readonly name?: string
  readonly detach: boolean
}

interface Followed {
  readonly name: string
  readonly id: string
  readonly release: number
  readonly frozen: boolean
}

export function addFollowCommand(program: Command): void {
  withFilters(withBootstrap(withCommonOptions(program.command('follow').argument('<id>'))))
    .description('follow a channel; then one line for each notification, until interrupted')
    .option('--name <name>', 'what to call it here; default: what its publisher calls it')
    .option('--detach', 'return at once: the daemon goes on following', false)
    .action(async (id: string, options: FollowOptions) => {
      const context = contextOf(options, (value) => {
        const event = value as NodeEvent
        context.output.settle()
        process.stdout.write(`${options.json ? JSON.stringify(event) : eventLine(event)}\n`)
      })
      const needed = options.detach ? 'channel.list' : 'follow'
      await withNode(context, needed, async (call) => {
        const followed = (await call('follow', { id, name: options.name, ...filtersOf(options) })) as Followed
        context.output.result(followed, () => followedLine(followed))
        if (options.detach) return
        const listening = { channel: followed.id, recent: true, follow: true }
        await untilInterrupted(call('notifications', listening), context.signal)
      })
    })
}

function followedLine({ name, id, release, frozen }: Followed): string {
  const age = frozen ? ', FROZEN' : ''
  const where = release === 0 ? 'waiting for its first release' : `at release #${release}${age}`
  return `following ${name === id ? id : `${name} (${id})`}, ${where}`
}
