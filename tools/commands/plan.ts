/** `freshet plan CHANNEL[@WHEN] [NAME[=VERSION]...]`: what a machine would fetch, install and remove, or why it cannot. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import type { AdvisoriesResult } from '../advisories.ts'
import { SYSTEM_STATUS } from '../../store/installed-packages.ts'
import { parsePackage } from '../arguments.ts'
import { NOTHING_AVOIDED } from '../avoided.ts'
import type { Avoided } from '../avoided.ts'
import { registersOfSet } from '../known-sets.ts'
import type { WrittenResult } from '../metadata-operations.ts'
import type { SnapshotFiles } from '../operations.ts'
import { formatBytes, formatCount } from '../output.ts'
import { isOldSet, planOldSet } from '../old-sets.ts'
import { planFor, readMachine } from '../plan-packages.ts'
import type { PlanResult, PlanWishes } from '../plan-packages.ts'
import { withNode } from '../run-operation.ts'
import type { Call, RunContext } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

/** Which machine a plan is for, and what comes along. */
export interface MachineOptions {
  readonly status?: string
  readonly empty: boolean
  readonly architecture?: string
  readonly recommends: boolean
  readonly pins: boolean
  readonly allowWithdrawn: boolean
}

interface PlanOptions extends CommonOptions, MachineOptions {
  readonly upgrade: boolean
  readonly allowRemove: boolean
  readonly save?: string
}

export function withMachineOptions(command: Command): Command {
  return command
    .option('--status <file>', `what is installed, as dpkg writes it; default: ${SYSTEM_STATUS}`)
    .option('--empty', 'for a machine that has nothing', false)
    .option('--architecture <arch>', "the machine's own; default: this one's")
    .option('--recommends', 'and what new packages recommend, where it fits, as apt does', false)
    .option('--allow-withdrawn', 'also what was withdrawn, and sets of versions that are known to be bad', false)
    .option('--no-pins', "leave the pins of the channel's maintainers out of account")
}

export function addPlanCommand(program: Command): void {
  const command = withBootstrap(
    withCommonOptions(program.command('plan').argument('<channel[@when]>').argument('[package...]')),
  )
  withMachineOptions(command)
    .description(
      'what would be installed for NAME[:ARCH][=VERSION], and why it cannot be; exit 3 when there is no way. ' +
        'With versions and without @WHEN history is searched for the newest release, or else the fewest releases, in which they work together',
    )
    .option('--upgrade', 'the newest version of everything that is installed', false)
    .option('--allow-remove', 'packages may be removed where there is no other way', false)
    .option('--save <set>', 'say in the metadata of the channel that these versions are known to be good together')
    .action(async (text: string, packages: string[], options: PlanOptions) => {
      const context = contextOf(options)
      const { upgrade, allowRemove, save, empty } = options
      if (packages.length === 0 && !upgrade) throw new FreshetError('USAGE', 'name a package, or pass --upgrade')
      if (save !== undefined && !empty) {
        throw new FreshetError('USAGE', '--save comes with --empty: a set is for every machine')
      }
      const wanted = { ...wishesOf(packages, options), upgrade, allowRemove }
      const planned = await withPlanningNode(context, text, wanted, async (call) => {
        const plan = await makePlan(call, text, wanted)
        return save === undefined || !plan.ok ? plan : { ...plan, saved: await saveSet(call, save, plan) }
      })
      context.output.result(planned, () => planText(planned))
      requirePlan(planned)
    })
}

/** A search over history may need blocks that only peers have. */
async function withPlanningNode<T>(
  context: RunContext,
  text: string,
  wanted: PlanWishes,
  use: (call: Call) => Promise<T>,
): Promise<T> {
  const { channel, when } = splitChannelWhen(text)
  return withNode(context, isOldSet(when, wanted) ? 'history.files' : 'snapshot.files', use, { channels: [channel] })
}

/** @param text CHANNEL[@WHEN]. */
export async function makePlan(call: Call, text: string, asked: PlanWishes): Promise<PlanResult> {
  const { channel, when } = splitChannelWhen(text)
  const avoid = asked.avoid ?? (when === null ? await avoidedIn(call, channel) : NOTHING_AVOIDED)
  const wanted = { ...asked, avoid }
  if (isOldSet(when, wanted)) return planOldSet(call, channel, wanted)
  const files = (await call('snapshot.files', { channel, when })) as SnapshotFiles
  return planFor(await readMachine(files, wanted), files, wanted)
}

/** What the channel warns of by now. */
async function avoidedIn(call: Call, channel: string): Promise<Avoided> {
  const { withdrawn, knownBad } = (await call('advisories', { channel })) as AdvisoriesResult
  return { withdrawn, knownBad }
}

interface SavedSet extends Pick<WrittenResult, 'maintainer' | 'counts'> {
  readonly set: string
}

async function saveSet(call: Call, set: string, plan: PlanResult): Promise<SavedSet> {
  const message = `planned for ${plan.architecture}: ${plan.install.length} packages`
  let written: WrittenResult | null = null
  for (const registers of registersOfSet(set, plan)) {
    written = (await call('meta.set', { channel: plan.channel, registers, message })) as WrittenResult
  }
  return { set, maintainer: written?.maintainer ?? '', counts: written?.counts ?? false }
}

/** @throws FreshetError PLAN_IMPOSSIBLE with the last step of the reason. */
export function requirePlan({ ok, channel, release, reason }: PlanResult): void {
  if (!ok) throw new FreshetError('PLAN_IMPOSSIBLE', reason?.at(-1) ?? 'there is no way', { channel, release })
}

/** Nothing is upgraded or removed. @throws FreshetError USAGE. */
export function wishesOf(packages: readonly string[], options: MachineOptions): PlanWishes {
  const { status, empty, architecture = null, recommends, pins, allowWithdrawn } = options
  if (status !== undefined && empty) throw new FreshetError('USAGE', '--status and --empty exclude each other')
  const statusPath = empty ? null : resolve(status ?? SYSTEM_STATUS)
  const wishes = packages.map(parsePackage)
  const avoid = allowWithdrawn ? { avoid: NOTHING_AVOIDED } : {}
  return { wishes, statusPath, architecture, upgrade: false, allowRemove: false, recommends, pins, ...avoid }
}

function planText({
  install,
  remove,
  bytes,
  reason,
  notes,
  saved,
  ...plan
}: PlanResult & { saved?: SavedSet }): string {
  const where = placeText(plan)
  if (reason !== null) return [`${where}: there is no way`, ...reason.map((step) => `  ${step}`)].join('\n')
  const counts = `${formatCount(install.length)} to install (${formatBytes(bytes)}), ${formatCount(remove.length)} to remove`
  return [
    `${where}: ${counts}`,
    ...install.map(({ name, version, architecture, size, from, release }) => {
      const before = from === null ? '' : ` (now ${from})`
      const of = plan.releases.length > 1 ? `  #${release}` : ''
      return `  ${name}:${architecture} ${version}${before}  ${formatBytes(size)}${of}`
    }),
    ...remove.map(({ name, version, architecture }) => `  remove ${name}:${architecture} ${version}`),
    ...notes,
    ...(saved === undefined ? [] : [savedText(saved)]),
  ].join('\n')
}

function placeText({
  ok,
  channel,
  releases,
  searched,
}: Pick<PlanResult, 'ok' | 'channel' | 'releases' | 'searched'>): string {
  if (!ok && searched !== null) return `${channel} #${searched[0]} to #${searched[1]}`
  return `${channel} ${releases.map((number) => `#${number}`).join(' and ')}`
}

function savedText({ set, maintainer, counts }: SavedSet): string {
  return `known-good set ${set}${counts ? '' : `; it counts once the publisher has added ${maintainer}`}`
}
