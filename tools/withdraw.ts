/** Operation `withdraw`: takes a version of a package of an own channel back. */
import type { Node } from '../actors/node.ts'
import { withdrawPackage } from '../actors/ports/withdraw-package.ts'
import { FreshetError } from '../schemas/errors.ts'
import { flagOf, parsePackage, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { requestPath, writeRequest } from './signing.ts'

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
  /** The file that waits for signatures; null: this node signs alone, and it is said. */
  readonly request: string | null
}

export async function withdrawOperation(node: Node, args: Arguments): Promise<WithdrawResult> {
  const channel = node.session.channel(textOf(args, 'channel')).name
  const { name, version, architecture } = parsePackage(textOf(args, 'package'))
  if (version === null || architecture !== null) throw new FreshetError('USAGE', 'name a package as NAME=VERSION')
  const reason = textOf(args, 'reason')
  const path = requestPath(node, channel, args)
  const [order, replace] = [{ name, version, reason }, flagOf(args, 'replace')]
  const done = await node.changing(channel, (_, own, deps) => withdrawPackage(deps, own, order, replace))
  return { channel, ...order, inNewest: done.inNewest, request: await writeRequest(path, done.request) }
}
