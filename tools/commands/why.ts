/** `freshet why PACKAGE|RELEASE|SHA-256`: where the bytes came from. */
import type { Command } from 'commander'
import { withNode } from '../run-operation.ts'
import type { WhyResult } from '../why.ts'
import { whyText } from '../why-text.ts'
import { contextOf, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

export function addWhyCommand(program: Command): void {
  withCommonOptions(program.command('why').argument('<package|channel[@when]|sha256>').argument('[package...]'))
    .description('where the bytes of a package, a release or a file came from, who was asked, and what was waited for')
    .action(async (of: string, packages: string[], options: CommonOptions) => {
      const context = contextOf(options)
      const result = (await withNode(context, 'why', (call) => call('why', { of, packages }))) as WhyResult
      context.output.result(result, () => whyText(result))
    })
}
