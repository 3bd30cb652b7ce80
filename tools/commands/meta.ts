/** `freshet meta get|set|advise|log|blame|publish CHANNEL`: what a distribution's maintainers say about its packages. */
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import { parseCount } from '../arguments.ts'
import type {
  BlameResult,
  MetadataLogResult,
  MetadataPublished,
  MetadataResult,
  WrittenResult,
} from '../metadata-operations.ts'
import type { SaidValue } from '../metadata-authors.ts'
import type { ConflictsResult, MetadataMerge } from '../metadata-conflicts.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface SetOptions extends CommonOptions {
  readonly message?: string
  readonly delete: boolean
}
interface AdviseOptions extends CommonOptions {
  readonly message?: string
  readonly package?: string
  readonly affected?: string
  readonly fixed?: string
  readonly severity?: string
  readonly reference?: string
  readonly summary?: string
}
interface LogOptions extends CommonOptions {
  readonly limit?: number
}

interface ConflictsOptions extends CommonOptions {
  readonly all: boolean
}
interface MergeOptions extends CommonOptions {
  readonly to?: string
}

const ADVISORY_FIELDS = ['package', 'affected', 'fixed', 'severity', 'reference', 'summary'] as const

export function addMetaCommands(program: Command): void {
  const meta = program
    .command('meta')
    .description('descriptions, pins, dependency fix-ups, advisories, known-good sets: what maintainers say')
  withCommonOptions(meta.command('get').argument('<channel[@when]>').argument('[path]'))
    .description('what it says, of one register, of all below a path, or of everything; @WHEN: as that release has it')
    .action(async (text: string, path: string | undefined, options: CommonOptions) => {
      const context = contextOf(options)
      const args = { ...splitChannelWhen(text), path: path ?? null }
      const found = (await withNode(context, 'meta.get', (call) => call('meta.get', args))) as MetadataResult
      context.output.result(found, () => registersText(found))
    })
  withCommonOptions(meta.command('blame').argument('<channel[@when]>').argument('[path]'))
    .description('who said it, when, and in which change')
    .action(async (text: string, path: string | undefined, options: CommonOptions) => {
      const context = contextOf(options)
      const args = { ...splitChannelWhen(text), path: path ?? null }
      const blamed = (await withNode(context, 'meta.blame', (call) => call('meta.blame', args))) as BlameResult
      context.output.result(blamed, () => blameText(blamed))
    })
  addWriters(meta)
  addConflicts(meta)
  withCommonOptions(meta.command('log').argument('<channel>'))
    .description('the newest changes, and whether each counts')
    .option('--limit <n>', 'how many; default 50', parseCount)
    .action(async (channel: string, options: LogOptions) => {
      const context = contextOf(options)
      const args = { channel, limit: options.limit ?? null }
      const log = (await withNode(context, 'meta.log', (call) => call('meta.log', args))) as MetadataLogResult
      context.output.result(log, () => logText(log))
    })
  withCommonOptions(meta.command('publish').argument('<channel>'))
    .description('fix the metadata of your own channel as it is by now; every import does so too')
    .action(async (channel: string, options: CommonOptions) => {
      const context = contextOf(options)
      const published = (await withNode(context, 'meta.publish', (call) =>
        call('meta.publish', { channel }),
      )) as MetadataPublished
      context.output.result(
        published,
        () => `${published.fresh} new of ${published.changes} changes, ${published.registers} registers`,
      )
    })
}

function addWriters(meta: Command): void {
  withCommonOptions(meta.command('set').argument('<channel>').argument('<path>').argument('[value]'))
    .description('say something as a maintainer: package/bash/pin 5.2-1, set/base/member/bash 5.2-1')
    .option('--delete', 'say nothing there any more', false)
    .option('--message <text>', 'why')
    .action(async (channel: string, path: string, value: string | undefined, options: SetOptions) => {
      if ((value === undefined) !== options.delete) throw new FreshetError('USAGE', 'give a value, or --delete')
      await write(options, channel, { [path]: value ?? null })
    })
  withCommonOptions(meta.command('advise').argument('<channel>').argument('<id>'))
    .description('an advisory, all of it in one change; what is not given stays as it is')
    .option('--package <name>', 'the package it is about')
    .option('--affected <range>', "versions with the fault, like '>= 1.0, << 1.2-3'")
    .option('--fixed <version>', 'the first version without it')
    .option('--severity <word>', 'low, medium, high or critical')
    .option('--reference <url>', 'where more is said')
    .option('--summary <text>', 'what is wrong')
    .option('--message <text>', 'why it is written')
    .action(async (channel: string, id: string, options: AdviseOptions) => {
      const given = ADVISORY_FIELDS.filter((field) => options[field] !== undefined)
      await write(
        options,
        channel,
        Object.fromEntries(given.map((field) => [`advisory/${id}/${field}`, options[field]])),
      )
    })
}

function addConflicts(meta: Command): void {
  withCommonOptions(meta.command('conflicts').argument('<channel>'))
    .description('what maintainers, or a fork and its upstream, say differently, and somebody must decide')
    .option('--all', 'descriptions and notes too, of which the newest is shown', false)
    .action(async (channel: string, options: ConflictsOptions) => {
      const context = contextOf(options)
      const args = { channel, all: options.all }
      const found = (await withNode(context, 'meta.conflicts', (call) =>
        call('meta.conflicts', args),
      )) as ConflictsResult
      context.output.result(found, () => conflictsText(found))
    })
  withCommonOptions(meta.command('settle').argument('<channel>').argument('<path>').argument('<value>'))
    .description('decide a conflict as a maintainer, for one of the values that were said')
    .option('--message <text>', 'why')
    .action(async (channel: string, path: string, value: string, options: CommonOptions & { message?: string }) => {
      const context = contextOf(options)
      const args = { channel, path, value, message: options.message ?? null }
      const written = (await withNode(context, 'meta.settle', (call) => call('meta.settle', args))) as WrittenResult
      context.output.result(written, () => writtenText(written))
    })
  withBootstrap(withCommonOptions(meta.command('merge').argument('<fork>')))
    .description("take over what upstream's maintainers said since; fork merge does so too")
    .option('--to <when>', 'as of this release of upstream: #number, time or tag; default: the newest')
    .action(async (channel: string, options: MergeOptions) => {
      const context = contextOf(options)
      const args = { channel, to: options.to ?? null }
      const merged = (await withNode(context, 'meta.merge', (call) => call('meta.merge', args))) as MetadataMerge
      context.output.result(merged, () => mergedText(merged))
    })
}

async function write(
  options: CommonOptions & { readonly message?: string },
  channel: string,
  registers: Readonly<Record<string, string | null | undefined>>,
): Promise<void> {
  const context = contextOf(options)
  const args = { channel, registers, message: options.message ?? null }
  const written = (await withNode(context, 'meta.set', (call) => call('meta.set', args))) as WrittenResult
  context.output.result(written, () => writtenText(written))
}

function writtenText({ channel, change, counts, maintainer }: WrittenResult): string {
  if (change === null) return `${channel} says so already`
  const waits = counts ? '' : `; it counts once the publisher has added ${maintainer}`
  return `change ${change} of yours${waits}`
}

function registersText({ channel, registers }: MetadataResult): string {
  if (registers.length === 0) return `${channel} says nothing there`
  return registers
    .map(({ path, value, conflicts }) => {
      const others = conflicts.map((other) => `\n  undecided: ${other}`).join('')
      return `${path}  ${value}${others}`
    })
    .join('\n')
}

function blameText({ channel, registers }: BlameResult): string {
  if (registers.length === 0) return `${channel} says nothing there`
  return registers
    .flatMap(({ path, values }) =>
      values.map((said) => `${said.at}  ${authorText(said)} #${said.change}  ${path}  ${said.value}`),
    )
    .join('\n')
}

function authorText({ by, name, of }: Pick<SaidValue, 'by' | 'name' | 'of'>): string {
  return `${name || by} of ${of.channel}`
}

function conflictsText({ channel, conflicts }: ConflictsResult): string {
  if (conflicts.length === 0) return `nothing of ${channel} waits for a decision`
  return conflicts
    .flatMap(({ path, values }) => [
      path,
      ...values.map((said) => `  ${said.value}  ${authorText(said)} #${said.change}, ${said.at}`),
    ])
    .join('\n')
}

function mergedText({ channel, upstream, fresh, conflicts }: MetadataMerge): string {
  const waits = conflicts === 0 ? '' : `; ${conflicts} to decide: freshet meta conflicts ${channel}`
  return `${channel} has the metadata of upstream #${upstream}: ${fresh} new changes${waits}`
}

function logText({ channel, changes }: MetadataLogResult): string {
  if (changes.length === 0) return `nobody has written metadata of ${channel} yet`
  return changes
    .map(({ by, name, of, change, at, message, registers, state, code }) => {
      const shown = state === 'counts' ? '' : `  ${state}${code === null ? '' : `: ${code}`}`
      const lines = registers.map(({ path, value }) => `\n  ${path}  ${value ?? '(deleted)'}`)
      return `${at}  ${authorText({ by, name, of })} #${change}${message === null ? '' : `  ${message}`}${shown}${lines.join('')}`
    })
    .join('\n')
}
