/** Operation `tag`: gives a release of an own channel a name. */
import type { Node } from '../actors/node.ts'
import { parseWhen } from '../schemas/when.ts'
import { optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export async function tagRelease(node: Node, args: Arguments): Promise<unknown> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const tag = textOf(args, 'tag')
  const { release } = await node.tag(channel.name, parseWhen(optionalTextOf(args, 'when')), tag)
  return { channel: channel.name, tag, release }
}
