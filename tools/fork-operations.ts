/** Operations about forks: making one, changing it, moving it to newer releases of its upstream. */
import type { Node, PublishedFork } from '../actors/node.ts'
import type { ForkOrder, ForkWish } from '../actors/ports/compose-fork.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import { FreshetError } from '../schemas/errors.ts'
import { parseMergeRule } from '../schemas/merge-rule.ts'
import { parseWhen } from '../schemas/when.ts'
import { argumentsOf, listOf, optionalTextOf, parsePackage, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { artifactOf, readDebFolder } from './import/deb-dir.ts'
import { clearSign, createSigningKey } from './import/openpgp.ts'

export const FORK_OPERATIONS = ['fork', 'fork.change'] as const
type ForkOperation = (typeof FORK_OPERATIONS)[number]
type Operation = (args: Arguments, io: ControlIo) => Promise<unknown>

/** What a fork has become. */
export interface ForkResult {
  readonly channel: string
  readonly id: string
  readonly release: number
  readonly upstream: { readonly channel: string; readonly id: string; readonly release: number }
  /** What the release added to the fork's log; 0: it said all of it before, and there is no new release. */
  readonly bytes: number
  /** Files of its own packages. */
  readonly artifacts: number
  readonly own: readonly string[]
  readonly pinned: readonly string[]
  readonly removed: readonly string[]
}

export function forkOperations(node: Node): Record<ForkOperation, Operation> {
  return {
    fork: (args, io) => makeFork(node, args, io),
    'fork.change': async (args, io) => changeFork(node, textOf(args, 'fork'), await wishesOf(args), io),
  }
}

async function makeFork(node: Node, args: Arguments, io: ControlIo): Promise<ForkResult> {
  const name = textOf(args, 'name')
  const when = parseWhen(optionalTextOf(args, 'when'))
  const wishes = await wishesOf(args) // before anything is made
  await node.createFork(textOf(args, 'channel'), when, name, async () => {
    const { publicKey, privateKey } = await createSigningKey(`Freshet channel ${name}`)
    return { publicKey: Buffer.from(publicKey), privateKey }
  })
  return changeFork(node, name, wishes, io)
}

async function changeFork(
  node: Node,
  name: string,
  wishes: readonly ForkWish[],
  io: ControlIo,
  upstream: ForkOrder['upstream'] = null,
): Promise<ForkResult> {
  const fork = node.session.publishing(name)
  if (!fork.log.writable) {
    throw new FreshetError('CHANNEL_READ_ONLY', `${name} was made on another machine`, { channel: name })
  }
  const key = await node.signingKey(fork.name)
  const suite = fork.history.newest?.suite ?? fork.name
  const sign = (text: string): Promise<Buffer> => clearSign(text, key)
  const order = { wishes, upstream, suite, sign, nowMs: Date.now() }
  return resultOf(fork.name, await node.publishFork(fork.name, order, (progress) => io.progress(progress)), fork.log.id)
}

function resultOf(channel: string, { draft, state, base, published }: PublishedFork, id: string): ForkResult {
  const { own, pinned, removed } = draft.basis?.changes ?? state.changes
  const versions = (packages: typeof own): string[] => [
    ...new Set(packages.map(({ name, version, architecture }) => `${name}:${architecture}=${version}`)),
  ]
  return {
    channel,
    id,
    release: published?.release ?? state.releaseNumber,
    upstream: { channel: state.upstream.name, id: state.upstream.log.id, release: base.release.number },
    bytes: published?.bytes ?? 0,
    artifacts: published?.artifacts ?? 0,
    own: versions(own),
    pinned: versions(pinned),
    removed: [...removed],
  }
}

/** In order: a later one may be about what an earlier one brought. */
async function wishesOf(args: Arguments): Promise<ForkWish[]> {
  const wishes: ForkWish[] = []
  for (const item of listOf(args, 'wishes')) wishes.push(await wishOf(argumentsOf(item)))
  return wishes
}

async function wishOf(item: Arguments): Promise<ForkWish> {
  const wish = textOf(item, 'wish')
  switch (wish) {
    case 'add':
    case 'replace': {
      const component = optionalTextOf(item, 'component')
      const packaged = await readDebFolder({ directory: textOf(item, 'directory') }, component ?? 'main')
      const debs = packaged.map((deb) => ({ stanza: deb.stanza, text: deb.text, artifact: artifactOf(deb, true) }))
      return { wish, debs, component }
    }
    case 'pin':
      return { wish, pins: textsOf(item, 'packages').map(pinOf) }
    case 'remove':
    case 'reset':
      return { wish, names: textsOf(item, 'packages').map(nameOf) }
    case 'rule':
      return { wish, names: textsOf(item, 'packages').map(nameOf), rule: parseMergeRule(textOf(item, 'rule')) }
    default:
      throw new FreshetError('USAGE', `${JSON.stringify(wish)} is no change of a fork`)
  }
}

function pinOf(text: string): { name: string; version: string; architecture: string | null } {
  const { name, version, architecture } = parsePackage(text)
  if (version === null) throw new FreshetError('USAGE', `${text}: a pin is NAME[:ARCH]=VERSION`)
  return { name, version, architecture }
}

/** A fork leaves a name out, or gives it back, as a whole. */
function nameOf(text: string): string {
  const { name, version, architecture } = parsePackage(text)
  if (version !== null || architecture !== null) throw new FreshetError('USAGE', `${text}: only a name is meant here`)
  return name
}
