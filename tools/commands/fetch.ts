/** `freshet fetch CHANNEL[@WHEN] NAME[=VERSION]...`: the .debs, from whichever peers have them. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { splitChannelWhen } from '../../schemas/when.ts'
import { formatBytes } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withBootstrap, withCommonOptions } from './context.ts'
import type { CommonOptions } from './context.ts'

interface FetchResult {
  readonly channel: string
  readonly files: readonly { name: string; version: string; size: number; sha256: string; path: string }[]
}

export function addFetchCommand(program: Command): void {
  withBootstrap(withCommonOptions(program.command('fetch').argument('<channel[@when]>').argument('<package...>')))
    .description('fetch packages, NAME[:ARCH][=VERSION], into the pool and to a folder')
    .option('--to <dir>', 'copy them there')
    .action(async (text: string, packages: string[], options: CommonOptions & { to?: string }) => {
      const context = contextOf(options)
      const args = { ...splitChannelWhen(text), packages, to: options.to === undefined ? null : resolve(options.to) }
      const fetched = (await withNode(context, 'fetch', (call) => call('fetch', args))) as FetchResult
      context.output.result(fetched, () =>
        fetched.files
          .map(({ name, version, size, path }) => `${name} ${version}  ${formatBytes(size)}  ${path}`)
          .join('\n'),
      )
    })
}
