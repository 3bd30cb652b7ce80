/** Operations about the maintainers of a channel's metadata: who they are, and how somebody becomes one. */
import type { Node } from '../actors/node.ts'
import { FreshetError } from '../schemas/errors.ts'
import { MAINTAINER_NAME_BYTES_MAX } from '../schemas/limits.ts'
import type { Maintainer } from '../schemas/metadata-fold.ts'
import type { KeyHex } from '../schemas/units.ts'
import { keyId, parseId } from '../store/identity.ts'
import { countOf, optionalTextOf, textOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { authorOf, authorsOf, type Author } from './metadata-authors.ts'

export const MAINTAINER_OPERATIONS = [
  'maintainer.invite',
  'maintainer.add',
  'maintainer.remove',
  'maintainer.list',
] as const
type MaintainerOperation = (typeof MAINTAINER_OPERATIONS)[number]

export interface InviteResult {
  readonly channel: string
  /** What the publisher adds. */
  readonly key: string
  readonly name: string
}

export interface MaintainersResult {
  readonly channel: string
  readonly maintainers: readonly {
    readonly key: string
    readonly name: string
    /** How many of their changes count by now. */
    readonly changes: number
    /** After which change they were removed; null: they were not. */
    readonly removedAfter: number | null
    /** Why their next change does not count; null: nothing is wrong with it, or there is none. */
    readonly refused: string | null
  }[]
  /** In a fork: those of its upstreams, and how many of their changes it has. */
  readonly inherited: readonly (Author & { readonly changes: number })[]
}

export function maintainerOperations(node: Node): Record<MaintainerOperation, (args: Arguments) => Promise<unknown>> {
  return {
    'maintainer.invite': (args) => invite(node, args),
    'maintainer.add': async (args) => {
      const { name } = node.session.channel(textOf(args, 'channel'))
      await node.addMaintainer(name, await keyOf(node, name, args))
      return listOf(node, name)
    },
    'maintainer.remove': async (args) => {
      const { name } = node.session.channel(textOf(args, 'channel'))
      await node.removeMaintainer(name, await keyOf(node, name, args), countOf(args, 'changes'))
      return listOf(node, name)
    },
    'maintainer.list': (args) => listOf(node, textOf(args, 'channel')),
  }
}

/** On the machine of who is to write: makes their log. Whoever publishes the channel adds its key. */
async function invite(node: Node, args: Arguments): Promise<InviteResult> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const name = optionalTextOf(args, 'name') ?? ''
  if (Buffer.byteLength(name) > MAINTAINER_NAME_BYTES_MAX || /[\p{Cc}\p{Cs}]/u.test(name)) {
    throw new FreshetError('USAGE', `a name has at most ${MAINTAINER_NAME_BYTES_MAX} bytes, in one line`)
  }
  const log = await channel.metadata.begin(name, node.now())
  return { channel: channel.name, key: log.id, name: (await log.heading()).name }
}

/** A key as `invite` printed it, the name of a maintainer, or none: this node's own. */
async function keyOf(node: Node, name: string, args: Arguments): Promise<KeyHex> {
  const { metadata } = node.session.channel(name)
  const text = optionalTextOf(args, 'key')
  if (text !== null) return parseKey(text, await metadata.maintainers())
  const own = await metadata.own()
  if (own !== null) return own.key
  throw new FreshetError('MAINTAINER_UNKNOWN', 'this node has no maintainer of its own: name a key')
}

function parseKey(text: string, maintainers: readonly Maintainer[]): KeyHex {
  const named = maintainers.filter(({ name }) => name === text)
  if (named.length === 1) return (named[0] as Maintainer).key
  try {
    return parseId(text)
  } catch (error) {
    const message = `${JSON.stringify(text)} is neither a key nor the name of one maintainer`
    throw new FreshetError('MAINTAINER_INVALID', message, {}, error)
  }
}

async function listOf(node: Node, nameOrId: string): Promise<MaintainersResult> {
  const channel = node.session.channel(nameOrId)
  const { maintainers, inherited, fold } = await channel.metadata.view(null)
  const listed = []
  for (const { key, name, lastChange } of maintainers) {
    const { contradicts } = await channel.metadata.logOf(key)
    const refusal = fold.refusals.find((refused) => refused.key === key)?.code ?? null
    const refused = contradicts ? 'EQUIVOCATION' : refusal
    listed.push({ key: keyId(key), name, changes: fold.countOf(key), removedAfter: lastChange, refused })
  }
  const authors = await authorsOf(channel)
  const theirs = inherited.map(({ key }) => ({ ...authorOf(authors, channel, key), changes: fold.countOf(key) }))
  return { channel: channel.name, maintainers: listed, inherited: theirs }
}
