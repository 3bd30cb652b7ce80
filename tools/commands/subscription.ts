/** `freshet subscription`: what of each channel its follower is told, and how often. The same options as `freshet follow` has. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import { INTERVALS, PRIORITIES, URGENCIES } from '../../schemas/subscription.ts'
import type { SubscriptionView } from '../notice-operations.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

export interface FilterOptions {
  readonly package?: readonly string[]
  readonly section?: readonly string[]
  readonly priority?: readonly string[]
  readonly arch?: readonly string[]
  readonly urgency?: string
  readonly installed?: boolean
  readonly status?: string
  readonly interval?: string
  readonly everything?: boolean
}

/** Adds the filters and the interval of a subscription. */
export function withFilters(command: Command): Command {
  const several = (flags: string, means: string): Option =>
    new Option(flags, `${means} (repeatable)`).argParser((value: string, before: string[] | undefined) => [
      ...(before ?? []),
      value,
    ])
  return command
    .addOption(several('--package <glob>', 'only packages whose name matches, with * and ?'))
    .addOption(several('--section <section>', 'only of this section: admin, or contrib/admin'))
    .addOption(several('--priority <priority>', `only of this priority: ${PRIORITIES.join(', ')}`))
    .addOption(several('--arch <architecture>', 'only of this architecture'))
    .option('--urgency <urgency>', `only of at least this urgency: ${URGENCIES.join(', ')}`)
    .option('--installed', 'only packages that this machine has')
    .option('--no-installed', 'whether or not this machine has them')
    .option('--status <file>', "the dpkg status file that says what it has; default: the system's")
    .option('--everything', 'forget the filters so far')
    .option('--interval <interval>', `when to tell: ${INTERVALS.join(', ')} (now, unless it was set before)`)
}

/** As operations take them: what was not given is not there. */
export function filtersOf(options: FilterOptions): object {
  return {
    packages: options.package,
    sections: options.section,
    priorities: options.priority,
    architectures: options.arch,
    urgency: options.urgency,
    installed: options.installed,
    statusFile: options.status === undefined ? undefined : resolve(options.status), // a daemon has another directory
    interval: options.interval,
    everything: options.everything,
  }
}

export function addSubscriptionCommands(program: Command): void {
  const subscription = program
    .command('subscription')
    .description('what of each channel to tell: packages, sections, urgency, and how often')
  withCommonOptions(subscription.command('list', { isDefault: true }).argument('[channel]'))
    .description('the subscriptions of this node')
    .action(async (channel: string | undefined, options: CommonOptions) => {
      const context = contextOf(options)
      const list = (await withNode(context, 'subscription.list', (call) => call('subscription.list', { channel }))) as {
        readonly subscriptions: readonly SubscriptionView[]
      }
      context.output.result(list, () => list.subscriptions.map(subscriptionText).join('\n') || 'no channel is followed')
    })
  withFilters(withCommonOptions(subscription.command('set').argument('<channel>')))
    .description('change it: each option given replaces what it was; --everything forgets the filters first')
    .action(async (channel: string, options: CommonOptions & FilterOptions) => {
      const context = contextOf(options)
      const args = { channel, ...filtersOf(options) }
      const set = (await withNode(context, 'subscription.set', (call) =>
        call('subscription.set', args),
      )) as SubscriptionView
      context.output.result(set, () => subscriptionText(set))
    })
}

function subscriptionText(view: SubscriptionView): string {
  const { channel, packages, sections, priorities, architectures, urgency, installed, statusFile, interval } = view
  const parts = [
    ...(packages.length === 0 ? [] : [`packages ${packages.join(' ')}`]),
    ...(sections.length === 0 ? [] : [`sections ${sections.join(' ')}`]),
    ...(priorities.length === 0 ? [] : [`priorities ${priorities.join(' ')}`]),
    ...(architectures.length === 0 ? [] : [`architectures ${architectures.join(' ')}`]),
    ...(urgency === null ? [] : [`urgency ${urgency} or more`]),
    ...(installed ? [`what ${statusFile ?? 'this machine'} has`] : []),
  ]
  return `${channel}: ${parts.join(', ') || 'everything'}; ${interval}`
}
