/** `freshet plan CHANNEL[@WHEN] [NAME[=VERSION]...]`: what a machine would fetch, install and remove, or why it cannot. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import { SYSTEM_STATUS } from '../../store/installed-packages.ts'
import { parsePackage } from '../arguments.ts'
import type { SnapshotFiles } from '../operations.ts'
import { formatBytes, formatCount } from '../output.ts'
import { planFor, readMachine } from '../plan-packages.ts'
import type { PlanResult, PlanWishes } from '../plan-packages.ts'
import { withNode } from '../run-operation.ts'
import type { Call } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

/** Which machine a plan is for. */
export interface MachineOptions {
  readonly status?: string
  readonly empty: boolean
  readonly architecture?: string
}

interface PlanOptions extends CommonOptions, MachineOptions {
  readonly upgrade: boolean
  readonly allowRemove: boolean
}

export function withMachineOptions(command: Command): Command {
  return command
    .option('--status <file>', `what is installed, as dpkg writes it; default: ${SYSTEM_STATUS}`)
    .option('--empty', 'for a machine that has nothing', false)
    .option('--architecture <arch>', "the machine's own; default: this one's")
}

export function addPlanCommand(program: Command): void {
  const command = withBootstrap(
    withCommonOptions(program.command('plan').argument('<channel[@when]>').argument('[package...]')),
  )
  withMachineOptions(command)
    .description('what would be installed for NAME[:ARCH][=VERSION], and why it cannot be; exit 3 when there is no way')
    .option('--upgrade', 'the newest version of everything that is installed', false)
    .option('--allow-remove', 'packages may be removed where there is no other way', false)
    .action(async (text: string, packages: string[], options: PlanOptions) => {
      const context = contextOf(options)
      const { upgrade, allowRemove } = options
      if (packages.length === 0 && !upgrade) throw new FreshetError('USAGE', 'name a package, or pass --upgrade')
      const wanted = { ...wishesOf(packages, options), upgrade, allowRemove }
      const plan = await withNode(context, 'snapshot.files', (call) => makePlan(call, text, wanted))
      context.output.result(plan, () => planText(plan))
      requirePlan(plan)
    })
}

/** @param text CHANNEL[@WHEN]. */
export async function makePlan(call: Call, text: string, wanted: PlanWishes): Promise<PlanResult> {
  const files = (await call('snapshot.files', splitChannelWhen(text))) as SnapshotFiles
  return planFor(await readMachine(files, wanted), files, wanted)
}

/** @throws FreshetError PLAN_IMPOSSIBLE with the last step of the reason. */
export function requirePlan({ ok, channel, release, reason }: PlanResult): void {
  if (!ok) throw new FreshetError('PLAN_IMPOSSIBLE', reason?.at(-1) ?? 'there is no way', { channel, release })
}

/** Nothing is upgraded or removed. @throws FreshetError USAGE. */
export function wishesOf(packages: readonly string[], options: MachineOptions): PlanWishes {
  const { status, empty, architecture = null } = options
  if (status !== undefined && empty) throw new FreshetError('USAGE', '--status and --empty exclude each other')
  const statusPath = empty ? null : resolve(status ?? SYSTEM_STATUS)
  return { wishes: packages.map(parsePackage), statusPath, architecture, upgrade: false, allowRemove: false }
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
