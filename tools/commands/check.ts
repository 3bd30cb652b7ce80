/** `freshet check CHANNEL[@WHEN]`: every package of a release, installable or not, why not, and what the release changed of that. */
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { brokenNameText } from '../../schemas/verdict.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import type { CheckResult } from '../check-packages.ts'
import { formatCount } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

export function addCheckCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('check').argument('<channel[@when]>')))
    .description('which packages of a release cannot be installed, why, and which became so; exit 3 when there are any')
    .action(async (text: string, options: CommonOptions) => {
      const context = contextOf(options)
      const checked = (await withNode(context, 'check', (call) => call('check', splitChannelWhen(text)))) as CheckResult
      context.output.result(checked, () => checkText(checked))
      if (checked.ok) return
      const { channel, release, broken } = checked
      const message = `${formatCount(broken.length)} of the packages of ${channel} #${release} cannot be installed`
      throw new FreshetError('PACKAGES_BROKEN', message, { channel, release, broken: broken.length })
    })
}

function checkText(checked: CheckResult): string {
  const { channel, release, architectures, packages, broken, since, became, mended } = checked
  const counts = `${formatCount(packages)} packages, ${formatCount(broken.length)} of them cannot be installed`
  const fresh = new Set(became.map(({ on, ...one }) => `${brokenNameText(one)} ${on}`))
  const changed = `${formatCount(became.length)} became so, ${formatCount(mended.length)} were mended`
  return [
    `${channel} #${release} (${architectures.join(', ')}): ${counts}`,
    ...(since === null ? [] : [`since ${since.channel} #${since.release}: ${changed}`]),
    ...broken.flatMap(({ reason, on, ...one }) => [
      `${one.name} ${one.version} (on ${on})${fresh.has(`${brokenNameText(one)} ${on}`) ? '  NEW' : ''}`,
      ...reason.map((step) => `  ${step}`),
    ]),
    ...mended.map(({ name, version, on }) => `mended: ${name} ${version} (on ${on})`),
  ].join('\n')
}
