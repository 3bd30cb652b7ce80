/** `freshet fork CHANNEL[@WHEN] NAME`, and `fork add|replace|remove|pin|rule|reset`: a channel of one's own, made of another one and a few changes. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { resolve } from 'node:path'
import { AUTO_MERGES, MERGE_RULES } from '../../schemas/merge-rule.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import type { ForkResult, ForkStatus, MergeResult } from '../fork-operations.ts'
import { mergeText, statusText } from '../fork-text.ts'
import { formatBytes, formatCount } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { verdictLines } from '../verdict-view.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface PublishOptions extends CommonOptions {
  readonly refuseBroken: boolean
}

interface NewForkOptions extends PublishOptions {
  readonly add: readonly string[]
  readonly replace: readonly string[]
  readonly remove: readonly string[]
  readonly pin: readonly string[]
  readonly rule?: string
  readonly component?: string
}

const several = (value: string, before: readonly string[]): readonly string[] => [...before, value]

export function addForkCommands(program: Command): void {
  const fork = program.command('fork').description('a channel made of another one and a few changes')
  addCreate(fork)
  for (const wish of ['add', 'replace'] as const) addDebs(fork, wish)
  addNames(fork, 'remove', 'leave packages out')
  addNames(fork, 'pin', 'hold packages at a version that upstream has or had: NAME[:ARCH]=VERSION')
  addNames(fork, 'reset', 'take back every change about packages: upstream decides again')
  addRule(fork)
  addStatus(fork)
  addMerge(fork)
}

function addCreate(fork: Command): void {
  const create = fork.command('create', { isDefault: true, hidden: true })
  withPublishOptions(create.argument('<channel[@when]>').argument('<name>'))
    .description('make a fork of a release, without copying it')
    .option('--add <dir>', 'a folder of .debs that upstream does not have (repeatable)', several, [])
    .option('--replace <dir>', "a folder of .debs instead of upstream's (repeatable)", several, [])
    .option('--remove <name>', 'a package to leave out (repeatable)', several, [])
    .option('--pin <name=version>', 'hold a package at a version (repeatable)', several, [])
    .addOption(ruleOption())
    .option('--component <name>', "that the .debs belong to; default: upstream's first")
    .action(async (text: string, name: string, options: NewForkOptions) => {
      const { add, replace, remove, pin, rule, component } = options
      const wishes = [
        ...add.map((directory) => ({ wish: 'add', directory: resolve(directory), component })),
        ...replace.map((directory) => ({ wish: 'replace', directory: resolve(directory), component })),
        ...(remove.length === 0 ? [] : [{ wish: 'remove', packages: remove }]),
        ...(pin.length === 0 ? [] : [{ wish: 'pin', packages: pin }]),
        ...(rule === undefined ? [] : [{ wish: 'rule', packages: [], rule }]),
      ]
      const named = splitChannelWhen(text)
      await run(options, 'fork', { ...named, name, wishes }, named.channel)
    })
}

function addDebs(fork: Command, wish: 'add' | 'replace'): void {
  const about = wish === 'add' ? 'that upstream does not have' : "instead of upstream's"
  withPublishOptions(fork.command(wish).argument('<fork>').argument('<dir>'))
    .description(`publish the .debs of a folder in a fork, ${about}`)
    .option('--component <name>', "that they belong to; default: upstream's first")
    .action(async (name: string, directory: string, options: PublishOptions & { component?: string }) => {
      const wishes = [{ wish, directory: resolve(directory), component: options.component }]
      await run(options, 'fork.change', { fork: name, wishes }, name)
    })
}

function addNames(fork: Command, wish: 'remove' | 'pin' | 'reset', description: string): void {
  withPublishOptions(fork.command(wish).argument('<fork>').argument('<package...>'))
    .description(description)
    .action(async (name: string, packages: string[], options: PublishOptions) => {
      await run(options, 'fork.change', { fork: name, wishes: [{ wish, packages }] }, name)
    })
}

function addRule(fork: Command): void {
  withPublishOptions(fork.command('rule').argument('<fork>').argument('<rule>').argument('[package...]'))
    .description(`what a merge takes where both have a package: ${MERGE_RULES.join(', ')}; for all, or for some`)
    .action(async (name: string, rule: string, packages: string[], options: PublishOptions) => {
      await run(options, 'fork.change', { fork: name, wishes: [{ wish: 'rule', rule, packages }] }, name)
    })
}

function addStatus(fork: Command): void {
  withBootstrap(withCommonOptions(fork.command('status').argument('<fork>')))
    .description('where a fork stands, and what a newer release of its upstream would change in it')
    .option('--to <when>', 'the release of upstream to look at: #number, time or tag; default: the newest')
    .action(async (name: string, options: CommonOptions & { to?: string }) => {
      const context = contextOf(options)
      const args = { fork: name, to: options.to }
      const status = (await withNode(context, 'fork.status', (call) => call('fork.status', args))) as ForkStatus
      context.output.result(status, () => statusText(status))
    })
}

interface MergeOptions extends PublishOptions {
  readonly to?: string
  readonly rule?: string
  readonly auto?: string
}

function addMerge(fork: Command): void {
  withPublishOptions(fork.command('merge').argument('<fork>'))
    .description('stand a fork on a newer release of its upstream')
    .option('--to <when>', 'the release of upstream: #number, time or tag; default: the newest')
    .addOption(ruleOption())
    .addOption(
      new Option(
        '--auto <policy>',
        'let the daemon do it from now on: never, where nothing collides or breaks, or always',
      ).choices(AUTO_MERGES),
    )
    .action(async (name: string, options: MergeOptions) => {
      const context = contextOf(options)
      const { to, rule, auto, refuseBroken } = options
      const args = { fork: name, to, rule, auto, refuseBroken }
      const merged = (await withNode(context, 'fork.merge', (call) => call('fork.merge', args))) as MergeResult
      context.output.result(merged, () => `${describe(merged)}\n${mergeText(merged)}${conflictsText(merged)}`)
    })
}

function conflictsText({ channel, conflicts }: MergeResult): string {
  if (conflicts === null || conflicts === 0) return ''
  return `\n${formatCount(conflicts)} of its metadata is said differently upstream: freshet meta conflicts ${channel}`
}

function ruleOption(): Option {
  return new Option('--rule <rule>', 'what a merge takes where both have a package').choices(MERGE_RULES)
}

function withPublishOptions(command: Command): Command {
  return withBootstrap(withCommonOptions(command)).option(
    '--refuse-broken',
    'publish nothing where packages would become uninstallable by it',
    false,
  )
}

/** @param channel that the command reads: where it is made here, nobody has to be asked. */
async function run(
  options: PublishOptions,
  operation: 'fork' | 'fork.change',
  order: object,
  channel: string,
): Promise<void> {
  const context = contextOf(options)
  const needs = { channels: [channel] }
  const args = { ...order, refuseBroken: options.refuseBroken }
  const result = (await withNode(context, operation, (call) => call(operation, args), needs)) as ForkResult
  context.output.result(result, () => describe(result))
}

function describe({ channel, id, release, upstream, bytes, own, pinned, removed, verdicts }: ForkResult): string {
  const stands = `on ${upstream.channel} #${upstream.release}`
  const differs = [
    `${formatCount(own.length)} of its own`,
    `${formatCount(pinned.length)} pinned`,
    `${formatCount(removed.length)} left out`,
  ].join(', ')
  const made = bytes === 0 ? 'nothing new' : `${formatBytes(bytes)} in the log`
  return [`${channel} #${release} ${stands}: ${differs}; ${made}`, ...verdictLines(verdicts), id].join('\n')
}
