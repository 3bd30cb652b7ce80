/**
 * `freshet audit CHANNEL`: verify everything, from the log alone; exit 0 only if all of it holds.
 * `freshet audit --evidence FILE`: check what somebody says that a channel's key has done, from the file alone.
 */
import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { parseCount } from '../arguments.ts'
import type { ChannelAudit } from '../audit-channel.ts'
import { auditEvidence, evidenceText } from '../audit-evidence.ts'
import { auditText, lineOf } from '../audit-text.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

interface AuditOptions extends CommonOptions {
  readonly evidence?: string
  readonly since?: number
  readonly sample?: number
  readonly seed?: string
  readonly keyring: readonly string[]
  readonly pool: boolean
  readonly verdicts: boolean
}

const repeat = (value: string, before: readonly string[]): string[] => [...before, value]

export function addAuditCommand(program: Command): void {
  const command = withBootstrap(withCommonOptions(program.command('audit').argument('[channel]')))
  withChannelOptions(command)
    .option('--evidence <file>', 'instead: what a node kept when it stopped a channel; needs no node and no network')
    .description('verify everything: exit 0 only if all of it holds, 3 when something does not')
    .action(async (channel: string | undefined, options: AuditOptions) => {
      const { evidence } = options
      if ((channel === undefined) === (evidence === undefined)) {
        throw new FreshetError('USAGE', 'name a channel, or a file with --evidence')
      }
      const context = contextOf(options)
      if (evidence !== undefined) await auditFile(context, resolve(evidence))
      else await auditOneChannel(context, channel as string, options)
    })
}

async function auditFile({ output }: CommandContext, path: string): Promise<void> {
  const finding = await auditEvidence(path)
  output.result(finding, () => evidenceText(finding))
}

function withChannelOptions(command: Command): Command {
  const number = (flags: string, description: string): Option => new Option(flags, description).argParser(parseCount)
  return command
    .addOption(number('--since <release>', 'begin with this release, and believe those before'))
    .addOption(
      number('--sample <count>', 'make the index files of so many releases only; the chain is checked in full'),
    )
    .option('--seed <text>', 'with --sample: makes the same choice again')
    .option(
      '--keyring <file>',
      "only these keys may sign (repeatable); default: this machine's, and the channel's",
      repeat,
      [],
    )
    .option('--no-pool', 'leave the files of packages alone')
    .option('--verdicts', 'also find out anew which packages of each release cannot be installed', false)
}

/** @throws FreshetError AUDIT_FALSE, AUDIT_INCOMPLETE after the report was printed. */
async function auditOneChannel(context: CommandContext, channel: string, options: AuditOptions): Promise<void> {
  const { since, sample, seed, keyring, pool, verdicts } = options
  const keyrings = keyring.map((path) => resolve(path))
  const args = { channel, since, sample, seed, keyrings, withoutPool: !pool, verdicts }
  const needs = { channels: [channel] }
  const report = (await withNode(context, 'audit', (call) => call('audit', args), needs)) as ChannelAudit
  context.output.result(report, () => auditText(channel, report))
  const [fault] = report.failures
  if (fault !== undefined) throw new FreshetError('AUDIT_FALSE', lineOf(fault), { channel, failure: fault.code })
  const [gap] = report.unchecked
  if (gap !== undefined) throw new FreshetError('AUDIT_INCOMPLETE', lineOf(gap), { channel, unchecked: gap.code })
}
