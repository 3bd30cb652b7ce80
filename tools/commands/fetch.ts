/** `freshet fetch CHANNEL[@WHEN] NAME[=VERSION]...`: the .debs, from whichever peers have them. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
import { packageText } from '../arguments.ts'
import { formatBytes } from '../output.ts'
import { withNode } from '../run-operation.ts'
import type { Call } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'
import { makePlan, requirePlan, wishesOf, withMachineOptions } from './plan.ts'
import type { MachineOptions } from './plan.ts'

interface FetchResult {
  readonly channel: string
  readonly files: readonly { name: string; version: string; size: number; sha256: string; path: string }[]
}

interface FetchOptions extends CommonOptions, MachineOptions {
  readonly to?: string
  readonly withDepends: boolean
  readonly set?: string
}

export function addFetchCommand(program: Command): void {
  const command = withBootstrap(
    withCommonOptions(program.command('fetch').argument('<channel[@when]>').argument('[package...]')),
  )
  withMachineOptions(command)
    .description('fetch packages, NAME[:ARCH][=VERSION], into the pool and to a folder')
    .option('--to <dir>', 'copy them there')
    .option(
      '--set <set>',
      "a known-good set of the channel's metadata: its exact versions, from whatever releases had them",
    )
    .option('--with-depends', 'and what a machine needs for them and lacks, as plan has it', false)
    .action(async (text: string, packages: string[], options: FetchOptions) => {
      const context = contextOf(options)
      const to = options.to === undefined ? null : resolve(options.to)
      requireSense(packages, options)
      const fetched = (await withNode(context, 'fetch', async (call) => {
        const wanted = options.withDepends ? await withDepends(call, text, packages, options) : packages
        const { set = null, architecture = null } = options
        return call('fetch', { ...splitChannelWhen(text), packages: wanted, set, architecture, to })
      })) as FetchResult
      context.output.result(fetched, () =>
        fetched.files
          .map(({ name, version, size, path }) => `${name} ${version}  ${formatBytes(size)}  ${path}`)
          .join('\n'),
      )
    })
}

/** @throws FreshetError USAGE. */
function requireSense(packages: readonly string[], options: FetchOptions): void {
  const { withDepends, set, status, empty, recommends, pins, allowWithdrawn, architecture } = options
  if (packages.length === 0 && set === undefined) throw new FreshetError('USAGE', 'name a package, or pass --set')
  if (!withDepends && (status !== undefined || empty || recommends || !pins || allowWithdrawn)) {
    throw new FreshetError(
      'USAGE',
      '--status, --empty, --recommends, --no-pins and --allow-withdrawn come with --with-depends',
    )
  }
  if (!withDepends && set === undefined && architecture !== undefined) {
    throw new FreshetError('USAGE', '--architecture comes with --with-depends or --set; else write NAME:ARCH')
  }
}

/** @returns exact names of all that a plan would install. @throws FreshetError PLAN_IMPOSSIBLE. */
async function withDepends(call: Call, text: string, packages: string[], machine: MachineOptions): Promise<string[]> {
  const plan = await makePlan(call, text, wishesOf(packages, machine))
  requirePlan(plan)
  if (plan.install.length === 0) throw new FreshetError('USAGE', 'all of it is installed: nothing is to be fetched')
  // Of a plan over history each package has a release of its own; and who names a release gets what was withdrawn.
  const isPlain = plan.searched === null && !machine.allowWithdrawn
  const at = (release: number): string => (isPlain ? '' : `@${release}`)
  return plan.install.map((planned) => `${packageText(planned)}${at(planned.release)}`)
}
