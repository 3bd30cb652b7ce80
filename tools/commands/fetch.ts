/** `freshet fetch CHANNEL[@WHEN] NAME[=VERSION]...`: the .debs, from whichever peers have them. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FreshetError } from '../../schemas/errors.ts'
import { splitChannelWhen } from '../../schemas/when.ts'
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
}

export function addFetchCommand(program: Command): void {
  const command = withBootstrap(
    withCommonOptions(program.command('fetch').argument('<channel[@when]>').argument('<package...>')),
  )
  withMachineOptions(command)
    .description('fetch packages, NAME[:ARCH][=VERSION], into the pool and to a folder')
    .option('--to <dir>', 'copy them there')
    .option('--with-depends', 'and what a machine needs for them and lacks, as plan has it', false)
    .action(async (text: string, packages: string[], options: FetchOptions) => {
      const context = contextOf(options)
      const to = options.to === undefined ? null : resolve(options.to)
      if (
        !options.withDepends &&
        (options.status ?? options.architecture ?? (options.empty || undefined)) !== undefined
      ) {
        throw new FreshetError('USAGE', '--status, --empty and --architecture come with --with-depends')
      }
      const fetched = (await withNode(context, 'fetch', async (call) => {
        const wanted = options.withDepends ? await withDepends(call, text, packages, options) : packages
        return call('fetch', { ...splitChannelWhen(text), packages: wanted, to })
      })) as FetchResult
      context.output.result(fetched, () =>
        fetched.files
          .map(({ name, version, size, path }) => `${name} ${version}  ${formatBytes(size)}  ${path}`)
          .join('\n'),
      )
    })
}

/** @returns exact names of all that a plan would install. @throws FreshetError PLAN_IMPOSSIBLE. */
async function withDepends(call: Call, text: string, packages: string[], machine: MachineOptions): Promise<string[]> {
  const plan = await makePlan(call, text, wishesOf(packages, machine))
  requirePlan(plan)
  if (plan.install.length === 0) throw new FreshetError('USAGE', 'all of it is installed: nothing is to be fetched')
  return plan.install.map(({ name, version, architecture }) => `${name}:${architecture}=${version}`)
}
