/** Operation `snapshot.write`: a release as a complete apt repository in a folder of the machine that the node runs on. */
import { isAbsolute } from 'node:path'
import type { Node } from '../actors/node.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import { FreshetError } from '../schemas/errors.ts'
import { parseWhen } from '../schemas/when.ts'
import { flagOf, optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { freshnessOf } from './freshness-of.ts'

export async function writeSnapshot(node: Node, args: Arguments, io: ControlIo): Promise<unknown> {
  const directory = textOf(args, 'directory')
  if (!isAbsolute(directory)) throw new FreshetError('USAGE', `${directory} is not an absolute path`)
  const order = {
    channel: textOf(args, 'channel'),
    when: parseWhen(optionalTextOf(args, 'when')),
    directory,
    metadataOnly: flagOf(args, 'metadataOnly'),
    link: flagOf(args, 'link'),
    allowMissing: flagOf(args, 'allowMissing'),
  }
  const written = await node.writeSnapshot(order, io.signal, (progress) => io.progress(progress))
  return { ...written, ...freshnessOf(node, node.session.channel(order.channel), written.release) }
}
