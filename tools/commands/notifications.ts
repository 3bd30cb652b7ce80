/** `freshet notifications`: what was told, from the journal. `freshet deliver`: where else it goes. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { NodeEvent } from '../../actors/notifier.ts'
import { parseCount } from '../arguments.ts'
import type { TargetView } from '../notice-operations.ts'
import { eventLine } from '../output.ts'
import { withNode } from '../run-operation.ts'
import type { OperationName } from '../operations.ts'
import { contextOf, untilInterrupted, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface NotificationsOptions extends CommonOptions {
  readonly channel?: string
  readonly since: string
  readonly follow: boolean
}

export function addNotificationCommands(program: Command): void {
  withBootstrap(withCommonOptions(program.command('notifications')))
    .description('the notifications that this node keeps, in order; with --follow also those that come')
    .option('--channel <channel>', 'of this channel only')
    .option('--since <number>', 'only those after this number', '0')
    .option('--follow', 'go on until interrupted', false)
    .action(async (options: NotificationsOptions) => {
      const { json, channel, follow } = options
      const context = contextOf(options, (value) => {
        const event = value as NodeEvent
        context.output.settle()
        process.stdout.write(`${json ? JSON.stringify(event) : eventLine(event)}\n`)
      })
      const args = { channel, since: parseCount(options.since), follow }
      // Only what comes needs peers; the list is on this disk.
      await withNode(context, follow ? 'notifications' : 'subscription.list', async (call) =>
        untilInterrupted(call('notifications', args), context.signal),
      )
    })
  addDeliverCommands(program)
}

interface TargetsResult {
  readonly targets: readonly TargetView[]
}

function addDeliverCommands(program: Command): void {
  const deliver = program
    .command('deliver')
    .description('programs, URLs and the desktop that notifications go to as well')
  const run = async (options: CommonOptions, operation: OperationName, args: object): Promise<void> => {
    const context = contextOf(options)
    const result = (await withNode(context, operation, (call) => call(operation, args))) as TargetsResult
    context.output.result(result, () => targetsText(result))
  }
  withCommonOptions(deliver.command('list', { isDefault: true }))
    .description('the targets, and how far each is')
    .action((options: CommonOptions) => run(options, 'delivery.list', {}))
  withCommonOptions(deliver.command('add').argument('<kind>').argument('[place]'))
    .description('hook PATH, webhook URL, or desktop: notifications from now on; the daemon delivers them')
    .action((kind: string, place: string | undefined, options: CommonOptions) =>
      run(options, 'delivery.add', { kind, place: placeOf(kind, place) }),
    )
  withCommonOptions(deliver.command('remove').argument('<kind>').argument('[place]'))
    .description('deliver there no longer')
    .action((kind: string, place: string | undefined, options: CommonOptions) =>
      run(options, 'delivery.remove', { kind, place: placeOf(kind, place) }),
    )
}

/** A daemon has another working directory. */
function placeOf(kind: string, place: string | undefined): string | undefined {
  return kind === 'hook' && place !== undefined ? resolve(place) : place
}

function targetsText({ targets }: TargetsResult): string {
  return targets.map(targetLine).join('\n') || 'notifications go to whoever asks for them, and nowhere else'
}

function targetLine({ kind, place, done, waiting, undelivered, tries, trouble, retryAt }: TargetView): string {
  const parts = [
    `up to ${done}`,
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(undelivered === 0 ? [] : [`${undelivered} not delivered`]),
    ...(trouble === null ? [] : [`${trouble} ${tries} ${tries === 1 ? 'time' : 'times'}, again at ${retryAt}`]),
  ]
  return `${kind}${place === '' ? '' : ` ${place}`}: ${parts.join(', ')}`
}
