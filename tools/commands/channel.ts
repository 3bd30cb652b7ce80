/** `freshet channel create|list|key`. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { ChannelStatus } from '../../actors/status.ts'
import { asIoError } from '../../store/durable.ts'
import { formatCount } from '../output.ts'
import { withNode } from '../run-operation.ts'
import { contextOf, withCommonOptions } from './context.ts'
import { withSigners } from './signer.ts'
import type { SignerOptions } from './signer.ts'
import type { CommonOptions } from './context.ts'
import { requestOf, signersText, withRequestOptions } from './request-options.ts'
import type { RequestOptions } from './request-options.ts'

export function addChannelCommands(program: Command): void {
  const channel = program.command('channel').description('make and list channels')

  withSigners(withCommonOptions(channel.command('create').argument('<name>')))
    .description('make a new channel; prints its id, which followers need')
    .action(async (name: string, options: CommonOptions & SignerOptions) => {
      const context = contextOf(options)
      const args = { name, signers: options.signer, quorum: options.quorum }
      const made = (await withNode(context, 'channel.create', (call) => call('channel.create', args))) as {
        id: string
      }
      context.output.result(made, () => made.id)
    })

  withCommonOptions(channel.command('list'))
    .description('the channels of this node')
    .action(async (options: CommonOptions) => {
      const context = contextOf(options)
      const list = (await withNode(context, 'channel.list', (call) => call('channel.list', {}))) as {
        channels: ChannelStatus[]
      }
      context.output.result(list, () => list.channels.map(channelLine).join('\n') || 'no channels yet')
    })

  withCommonOptions(channel.command('key').argument('<name>').option('--to <file>', 'write it there instead'))
    .description("the channel's OpenPGP public key, for apt's signed-by")
    .action(async (name: string, options: CommonOptions & { to?: string }) => {
      const context = contextOf(options)
      const exported = (await withNode(context, 'channel.key', (call) => call('channel.key', { name }))) as {
        key: string
      }
      const { to } = options
      if (to === undefined) return context.output.result(exported, () => exported.key.trimEnd())
      await writeFile(to, exported.key).catch((error: unknown) => Promise.reject(asIoError(error, to)))
      context.output.result({ ...exported, path: to }, () => `written to ${to}`)
    })

  withRequestOptions(withSigners(withCommonOptions(channel.command('rotate').argument('<name>'))))
    .description('pass a channel to other signers: its log ends, followers move over to the successor')
    .action(async (name: string, options: CommonOptions & SignerOptions & RequestOptions) => {
      const context = contextOf(options)
      const { signer: signers, quorum } = options
      const args = { name, signers, quorum, ...requestOf(options) }
      const rotated = (await withNode(context, 'channel.rotate', (call) => call('channel.rotate', args))) as {
        successor: string
        request: string | null
      }
      context.output.result(rotated, () =>
        rotated.request === null ? rotated.successor : `${rotated.successor}\n${signersText(name, rotated.request)}`,
      )
    })
}

function channelLine({ name, id, role, release, packages }: ChannelStatus): string {
  return `${name}  ${role}  ${release === 0 ? 'no release' : `#${release}, ${formatCount(packages)} packages`}  ${id}`
}
