/** `freshet plan CHANNEL[@WHEN] [NAME[=VERSION]...]`: what a machine would fetch, install and remove, or why it cannot. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import { parsePackage } from '../arguments.ts'
import type { SnapshotFiles } from '../operations.ts'
import { formatBytes, formatCount } from '../output.ts'
import { planFor, readMachine } from '../plan-packages.ts'
import type { PlanResult, PlanWishes } from '../plan-packages.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

const DPKG_STATUS = '/var/lib/dpkg/status'

interface PlanOptions extends CommonOptions {
  readonly status?: string
  readonly empty: boolean
  readonly upgrade: boolean
  readonly allowRemove: boolean
  readonly architecture?: string
}

export function addPlanCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('plan').argument('<channel[@when]>').argument('[package...]')))
    .description('what would be installed for NAME[:ARCH][=VERSION], and why it cannot be; exit 3 when there is no way')
    .option('--status <file>', `what is installed, as dpkg writes it; default: ${DPKG_STATUS}`)
    .option('--empty', 'for a machine that has nothing', false)
    .option('--upgrade', 'the newest version of everything that is installed', false)
    .option('--allow-remove', 'packages may be removed where there is no other way', false)
    .option('--architecture <arch>', "the machine's own; default: this one's")
    .action(async (text: string, packages: string[], options: PlanOptions) => {
      const context = contextOf(options)
      const wanted = wishesOf(packages, options)
      const plan = await withNode(context, 'snapshot.files', async (call) => {
        const files = (await call('snapshot.files', splitChannelWhen(text))) as SnapshotFiles
        return planFor(await readMachine(files, wanted), files, wanted)
      })
      context.output.result(plan, () => planText(plan))
      if (plan.ok) return
      const { channel, release, reason } = plan
      throw new FreshetError('PLAN_IMPOSSIBLE', reason?.at(-1) ?? 'there is no way', { channel, release })
    })
}

/** @throws FreshetError USAGE. */
function wishesOf(packages: readonly string[], options: PlanOptions): PlanWishes {
  const { status, empty, upgrade, allowRemove, architecture = null } = options
  if (status !== undefined && empty) throw new FreshetError('USAGE', '--status and --empty exclude each other')
  if (packages.length === 0 && !upgrade) throw new FreshetError('USAGE', 'name a package, or pass --upgrade')
  const statusPath = empty ? null : resolve(status ?? DPKG_STATUS)
  return { wishes: packages.map(parsePackage), statusPath, architecture, upgrade, allowRemove }
}

function planText({ channel, release, install, remove, bytes, reason }: PlanResult): string {
  if (reason !== null)
    return [`${channel} #${release}: there is no way`, ...reason.map((step) => `  ${step}`)].join('\n')
  const counts = `${formatCount(install.length)} to install (${formatBytes(bytes)}), ${formatCount(remove.length)} to remove`
  return [
    `${channel} #${release}: ${counts}`,
    ...install.map(({ name, version, architecture, size, from }) => {
      const before = from === null ? '' : ` (now ${from})`
      return `  ${name}:${architecture} ${version}${before}  ${formatBytes(size)}`
    }),
    ...remove.map(({ name, version, architecture }) => `  remove ${name}:${architecture} ${version}`),
  ].join('\n')
}
