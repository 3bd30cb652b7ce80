/** Operation `withdraw`: takes a version of a package of an own channel back. */
import type { Node } from '../actors/node.ts'
import { FreshetError } from '../schemas/errors.ts'
import { parsePackage, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export interface WithdrawResult {
  readonly channel: string
  readonly name: string
  readonly version: string
  readonly reason: string
  /**
   * Whether the newest release still holds it. An index that the distribution signed goes on doing so until the distribution publishes
   * another one; an import of a folder leaves it out.
   */
  readonly inNewest: boolean
}

export async function withdrawOperation(node: Node, args: Arguments): Promise<WithdrawResult> {
  const channel = node.session.channel(textOf(args, 'channel')).name
  const { name, version, architecture } = parsePackage(textOf(args, 'package'))
  if (version === null || architecture !== null) throw new FreshetError('USAGE', 'name a package as NAME=VERSION')
  const reason = textOf(args, 'reason')
  return { channel, name, version, reason, inNewest: await node.withdraw(channel, { name, version, reason }) }
}
