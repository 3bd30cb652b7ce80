/** Operations about HTTP mirrors: those that a channel names for everybody, and those of this node alone. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import { FreshetError } from '../schemas/errors.ts'
import type { ReleaseDraft } from '../schemas/release-draft.ts'
import { flagOf, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'

export const MIRROR_OPERATIONS = ['mirror.add', 'mirror.remove', 'mirror.list'] as const
type MirrorOperation = (typeof MIRROR_OPERATIONS)[number]

export interface MirrorsResult {
  readonly channel: string
  /** Named by the channel. */
  readonly mirrors: readonly string[]
  /** Named here, for this node alone. */
  readonly local: readonly string[]
}

export function mirrorOperations(node: Node): Record<MirrorOperation, (args: Arguments) => Promise<MirrorsResult>> {
  const change = async (args: Arguments, how: 'add' | 'remove'): Promise<MirrorsResult> => {
    const { name } = node.session.channel(textOf(args, 'channel'))
    const urls = textsOf(args, 'urls')
    if (urls.length === 0) throw new FreshetError('USAGE', 'name a URL')
    const changed = { add: [], remove: [], [how]: urls }
    if (flagOf(args, 'local')) await node.chooseMirrors(name, changed)
    else await node.nameMirrors(name, changed)
    return resultOf(node, name)
  }
  return {
    'mirror.add': (args) => change(args, 'add'),
    'mirror.remove': (args) => change(args, 'remove'),
    'mirror.list': async (args) => resultOf(node, textOf(args, 'channel')),
  }
}

async function resultOf({ session }: Node, name: string): Promise<MirrorsResult> {
  const channel = session.publishing(name)
  await channel.readMirrors({ local: true })
  return { channel: channel.name, mirrors: channel.mirrors, local: session.localMirrors.of(channel.key) }
}

/** Where the first release came from is its first mirror, unless somebody has named others before. */
export async function nameFirstMirrors(
  node: Node,
  { name, history }: Channel,
  draft: ReleaseDraft,
  release: number,
): Promise<readonly string[]> {
  const { mirrors: add = [] } = draft
  if (release !== 1 || add.length === 0 || (await history.mirrors()) !== null) return []
  return node.nameMirrors(name, { add, remove: [] })
}
