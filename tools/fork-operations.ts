/** Operations about forks: making one, changing it, moving it to newer releases of its upstream. */
import type { Channel } from '../actors/channel.ts'
import type { Node } from '../actors/node.ts'
import type { ForkOrder, ForkWish } from '../actors/ports/compose-fork.ts'
import { createFork } from '../actors/ports/create-fork.ts'
import { linkedForkState } from '../actors/ports/fork-state.ts'
import { publishFork } from '../actors/ports/publish-fork.ts'
import type { PublishedFork } from '../actors/ports/publish-fork.ts'
import { previewFork, versionsOf } from '../actors/ports/merge-preview.ts'
import type { ForkPreview, MergePreview } from '../actors/ports/merge-preview.ts'
import type { ControlIo } from '../protocols/control-server.ts'
import type { Decision } from '../schemas/curate.ts'
import { asFreshetError, FreshetError } from '../schemas/errors.ts'
import type { AutoMerge, MergeRule } from '../schemas/events.ts'
import { parseAutoMerge, parseMergeRule } from '../schemas/merge-rule.ts'
import type { ChangeKind } from '../schemas/package-difference.ts'
import type { NewlyBroken } from '../actors/solver/newly-broken.ts'
import { parseWhen } from '../schemas/when.ts'
import type { When } from '../schemas/when.ts'
import { id } from '../store/identity.ts'
import { argumentsOf, flagOf, listOf, optionalTextOf, parsePackage, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { artifactOf, readDebFolder } from './import/deb-dir.ts'
import { clearSign, createSigningKey } from './import/openpgp.ts'
import { countConflicts } from './metadata-conflicts.ts'
import { verdictViews } from './verdict-view.ts'
import type { VerdictView } from './verdict-view.ts'

export const FORK_OPERATIONS = ['fork', 'fork.change', 'fork.status', 'fork.merge'] as const
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
  /** Which packages of the release cannot be installed; null: nobody looked, or there is no new release. */
  readonly verdicts: readonly VerdictView[] | null
}

export function forkOperations(node: Node): Record<ForkOperation, Operation> {
  return {
    fork: (args, io) => makeFork(node, args, io),
    'fork.change': async (args, io) => {
      const order = { wishes: await wishesOf(args), upstream: null, refuseBroken: flagOf(args, 'refuseBroken') }
      return (await publishChanges(node, textOf(args, 'fork'), order, io)).result
    },
    'fork.status': async (args) => {
      const fork = node.session.channel(textOf(args, 'fork'))
      return forkStatus(fork, whenOf(args))
    },
    'fork.merge': async (args, io) => {
      const [rule, auto] = [optionalTextOf(args, 'rule'), optionalTextOf(args, 'auto')]
      const wishes: ForkWish[] = [
        ...(rule === null ? [] : [{ wish: 'rule' as const, names: [], rule: parseMergeRule(rule) }]),
        ...(auto === null ? [] : [{ wish: 'auto' as const, auto: parseAutoMerge(auto) }]),
      ]
      const order = { wishes, upstream: whenOf(args), refuseBroken: flagOf(args, 'refuseBroken') }
      return mergeFork(node, textOf(args, 'fork'), order, io)
    },
  }
}

/** Which release of upstream: the newest without a word. */
function whenOf(args: Arguments): When {
  return parseWhen(optionalTextOf(args, 'to'))
}

/** What moving a fork would do, and did. */
export interface ForkMerge {
  readonly from: number
  readonly to: number
  /** How many packages upstream moved, by kind. */
  readonly moved: Readonly<Record<ChangeKind, number>>
  readonly collisions: readonly ForkCollision[]
  /** Packages of the fork that give way to upstream's. */
  readonly overruled: readonly string[]
}

export interface ForkCollision {
  readonly name: string
  readonly index: string
  readonly ours: readonly string[]
  /** Upstream's before and after. */
  readonly before: readonly string[]
  readonly theirs: readonly string[]
  readonly taken: Decision['taken']
}

export interface ForkStatus extends ForkMerge {
  readonly channel: string
  readonly id: string
  readonly release: number
  readonly upstream: {
    readonly channel: string
    readonly id: string
    readonly release: number
    readonly newest: number
    /** Why nothing of it is taken any more: EQUIVOCATION, HISTORY_REWRITE; null: it is. */
    readonly trouble: string | null
    /** The id of the channel that it has passed to, with other signers; null: it goes on itself. */
    readonly successor: string | null
  }
  readonly rule: MergeRule
  readonly auto: AutoMerge
  readonly uninstallable: readonly NewlyBroken[]
}

export interface MergeResult extends ForkResult, ForkMerge {
  /** Registers of the metadata document that somebody must decide about now; null: it cannot be read at the moment. */
  readonly conflicts: number | null
}

/** Stands a fork on a release of its upstream. */
export async function mergeFork(
  node: Node,
  name: string,
  order: ChangeOrder & { readonly upstream: When },
  io: Pick<ControlIo, 'progress'>,
): Promise<MergeResult> {
  const { result, published } = await publishChanges(node, name, order, io)
  const conflicts = await countConflicts(node.session.publishing(name))
  return { ...result, ...mergeOf(published.merge as MergePreview), conflicts }
}

/** Also of a fork whose upstream contradicted itself: it stays where it stands. */
async function forkStatus(fork: Channel, when: When): Promise<ForkStatus> {
  try {
    return await statusOf(fork, await previewFork(fork, when), null)
  } catch (error) {
    const { code } = asFreshetError(error)
    if (!['EQUIVOCATION', 'HISTORY_REWRITE'].includes(code)) throw error
    const state = await linkedForkState(fork)
    const { number } = state.base
    const nothing = { from: number, to: number, moved: [], collisions: [], decisions: [], broken: [] }
    return statusOf(fork, { ...nothing, state }, code)
  }
}

async function statusOf(fork: Channel, preview: ForkPreview, trouble: string | null): Promise<ForkStatus> {
  const { state, broken } = preview
  const { upstream, base, changes } = state
  const rotation = trouble === null ? await upstream.log.rotation() : null
  return {
    channel: fork.name,
    id: fork.log.id,
    release: state.releaseNumber,
    upstream: {
      channel: upstream.name,
      id: upstream.log.id,
      release: base.number,
      newest: upstream.history.newest?.number ?? 0,
      trouble,
      successor: rotation === null ? null : id(rotation.successor),
    },
    rule: changes.rule,
    auto: changes.auto,
    ...mergeOf(preview),
    uninstallable: broken,
  }
}

function mergeOf({ from, to, moved, collisions, decisions }: MergePreview): ForkMerge {
  const counts = { added: 0, removed: 0, upgraded: 0, downgraded: 0, changed: 0 }
  for (const { kind } of moved) counts[kind]++
  return {
    from,
    to,
    moved: counts,
    collisions: collisions.map(({ name, path, ours, before, theirs, taken }) => {
      return { name, index: path, ours: versionsOf(ours), before, theirs: versionsOf(theirs), taken }
    }),
    overruled: decisions.filter(({ taken, ours }) => taken === 'theirs' && ours.length > 0).map(({ name }) => name),
  }
}

async function makeFork(node: Node, args: Arguments, io: ControlIo): Promise<ForkResult> {
  const name = textOf(args, 'name')
  const when = parseWhen(optionalTextOf(args, 'when'))
  const wishes = await wishesOf(args) // before anything is made
  const fork = { upstream: textOf(args, 'channel'), when, name }
  await createFork(node.session, node.home.keys, fork, async () => {
    const { publicKey, privateKey } = await createSigningKey(`Freshet channel ${name}`)
    return { publicKey: Buffer.from(publicKey), privateKey }
  })
  const order = { wishes, upstream: null, refuseBroken: flagOf(args, 'refuseBroken') }
  return (await publishChanges(node, name, order, io)).result
}

/** What a fork is to become, and whether it is refused where packages become uninstallable by it. */
type ChangeOrder = Pick<ForkOrder, 'wishes' | 'upstream'> & { readonly refuseBroken: boolean }

async function publishChanges(
  node: Node,
  name: string,
  { wishes, upstream, refuseBroken }: ChangeOrder,
  io: Pick<ControlIo, 'progress'>,
): Promise<{ result: ForkResult; published: PublishedFork }> {
  const fork = node.session.publishing(name)
  if (!fork.log.writable) {
    throw new FreshetError('CHANNEL_READ_ONLY', `${name} was made on another machine`, { channel: name })
  }
  const key = await node.signingKey(fork.name)
  const suite = fork.history.newest?.suite ?? fork.name
  const sign = (text: string): Promise<Buffer> => clearSign(text, key)
  const whole = { wishes, upstream, suite, sign, nowMs: Date.now() }
  const published = await node.changing(
    fork.name,
    (session, channel, deps) => publishFork(session, channel, deps, whole, (progress) => io.progress(progress)),
    refuseBroken,
  )
  return { result: resultOf(fork, published), published }
}

function resultOf({ name: channel, log: { id } }: Channel, made: PublishedFork): ForkResult {
  const { draft, state, base, published } = made
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
    verdicts: verdictViews(published?.verdicts ?? null),
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
