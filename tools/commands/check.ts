/** `freshet check CHANNEL[@WHEN]`: every package of a release, installable or not, and why not. */
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import { checkPackages } from '../check-packages.ts'
import type { CheckResult } from '../check-packages.ts'
import type { SnapshotFiles } from '../operations.ts'
import { formatCount } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

export function addCheckCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('check').argument('<channel[@when]>')))
    .description('which packages of a release cannot be installed, and why; exit 3 when there are any')
    .action(async (text: string, options: CommonOptions) => {
      const context = contextOf(options)
      const wanted = splitChannelWhen(text)
      const checked = await withNode(context, 'snapshot.files', async (call) =>
        checkPackages((await call('snapshot.files', wanted)) as SnapshotFiles),
      )
      context.output.result(checked, () => checkText(checked))
      if (checked.ok) return
      const { channel, release, broken } = checked
      const message = `${formatCount(broken.length)} of the packages of ${channel} #${release} cannot be installed`
      throw new FreshetError('PACKAGES_BROKEN', message, { channel, release, broken: broken.length })
    })
}

function checkText({ channel, release, architectures, packages, broken }: CheckResult): string {
  const counts = `${formatCount(packages)} packages, ${formatCount(broken.length)} of them cannot be installed`
  return [
    `${channel} #${release} (${architectures.join(', ')}): ${counts}`,
    ...broken.flatMap(({ name, version, on, reason }) => [
      `${name} ${version} (on ${on})`,
      ...reason.map((step) => `  ${step}`),
    ]),
  ].join('\n')
}
