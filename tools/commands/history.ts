/** `freshet diff` and `freshet when`: what differs between two releases, and which releases held something. */
import type { Command } from 'commander'
import { splitChannelWhen } from '../../schemas/when.ts'
import { diffText } from '../diff-text.ts'
import type { DiffResult, ProvenanceItem, ProvenanceResult, WhenResult } from '../history-operations.ts'
import { rangeLines } from '../ranges-text.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

export function addHistoryCommands(program: Command): void {
  withBootstrap(withCommonOptions(program.command('diff').argument('<from[@when]>').argument('<to[@when]>')))
    .description('packages that differ between two releases, of one channel or of two')
    .action(async (from: string, to: string, options: CommonOptions) => {
      const context = contextOf(options)
      const diff = (await withNode(context, 'diff', (call) => call('diff', { from, to }), {
        channels: [from, to].map((text) => splitChannelWhen(text).channel),
      })) as DiffResult
      context.output.result(diff, () => diffText(diff))
    })

  withBootstrap(withCommonOptions(program.command('when').argument('<channel>').argument('<package...>')))
    .description('the releases that held all of these packages together: NAME[:ARCH][=VERSION]')
    .action(async (channel: string, packages: string[], options: CommonOptions) => {
      const context = contextOf(options)
      const held = (await withNode(context, 'when', (call) => call('when', { channel, packages }), {
        channels: [channel],
      })) as WhenResult
      context.output.result(held, () => whenText(held))
    })
  addProvenance(program)
}

function addProvenance(program: Command): void {
  const command = program.command('provenance').argument('<channel[@when]>').argument('<package>')
  withBootstrap(withCommonOptions(command))
    .description('the signed logs that a package came through: NAME[:ARCH][=VERSION]')
    .action(async (text: string, name: string, options: CommonOptions) => {
      const context = contextOf(options)
      const named = splitChannelWhen(text)
      const args = { ...named, package: name }
      const traced = (await withNode(context, 'provenance', (call) => call('provenance', args), {
        channels: [named.channel],
      })) as ProvenanceResult
      context.output.result(traced, () => traced.packages.map(provenanceText).join('\n'))
    })
}

function provenanceText({ name, version, architecture, sha256, path, brought }: ProvenanceItem): string {
  const steps = path.map(({ channel, release, id, hash }) => `  ${channel} #${release}  ${hash.slice(0, 16)}  ${id}`)
  const first = `  brought by ${brought.channel} #${brought.release}  ${brought.hash.slice(0, 16)}`
  return [`${name} ${version} (${architecture})  ${sha256}`, ...steps, first].join('\n')
}

/** Where nothing fits together, what each was in helps to see why. */
function whenText(held: WhenResult): string {
  const lines = rangeLines(held, held.newest)
  if (lines.length > 0) return lines.join('\n')
  const each = held.packages.flatMap(({ name, version, architecture, ...own }) => [
    `${name} ${version} (${architecture})`,
    ...rangeLines(own, held.newest).map((line) => `  ${line}`),
  ])
  return [`no release of ${held.channel} held all of these together`, ...each].join('\n')
}
