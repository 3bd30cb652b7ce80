/** `freshet audit --evidence FILE`: checks what somebody says that a channel's key has done, from the file alone. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { auditEvidence, evidenceText } from '../audit-evidence.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommandContext, CommonOptions } from './context.ts'

interface AuditOptions extends CommonOptions {
  readonly evidence?: string
}

export function addAuditCommand(program: Command): void {
  withCommonOptions(program.command('audit'))
    .description('check evidence against a channel; exit 0 when it holds, 3 when it does not')
    .option('--evidence <file>', 'what a node kept when it stopped the channel; needs no node and no network')
    .action(async (options: AuditOptions) => {
      const context = contextOf(options)
      if (options.evidence === undefined) throw new FreshetError('USAGE', 'name the file with --evidence')
      await auditFile(context, resolve(options.evidence))
    })
}

async function auditFile({ output }: CommandContext, path: string): Promise<void> {
  const finding = await auditEvidence(path)
  output.result(finding, () => evidenceText(finding))
}
