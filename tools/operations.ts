/**
 * What a node can be asked to do, by name: the same functions serve the daemon's control socket and a command that finds no
 * daemon running. Results are the `--json` contract (README): documented, tested, only ever extended.
 */
import { copyFile, mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Node } from '../actors/node.ts'
import type { PackageWish } from '../actors/ports/fetch-package.ts'
import type { ControlIo, ControlOperation } from '../protocols/control-server.ts'
import { FreshetError } from '../schemas/errors.ts'
import { requireChannelName } from '../schemas/channel-name.ts'
import { parseShare, percentOf } from '../schemas/rollout.ts'
import { WISHES_AT_ONCE_MAX } from '../schemas/limits.ts'
import { parseWhen, splitChannelWhen } from '../schemas/when.ts'
import { asIoError } from '../store/durable.ts'
import { eachOf } from '../store/each-of.ts'
import { argumentsOf, flagOf, optionalTextOf, parsePackage, textOf, textsOf } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { advisoriesOperation } from './advisories.ts'
import { auditOperation } from './audit-channel.ts'
import { checkOperation } from './check-packages.ts'
import { CONFIG_OPERATIONS, configOperations } from './config-operations.ts'
import { FORK_OPERATIONS, forkOperations } from './fork-operations.ts'
import { freshnessOf } from './freshness-of.ts'
import { requireQuorum } from '../actors/ports/prepare-release.ts'
import { commitSigned, prepareRequest, rotateChannel, signersOf } from './signing.ts'
import { HISTORY_OPERATIONS, historyOperations } from './history-operations.ts'
import { MAINTAINER_OPERATIONS, maintainerOperations } from './maintainer-operations.ts'
import { CONFLICT_OPERATIONS, conflictOperations } from './metadata-conflicts.ts'
import { METADATA_OPERATIONS, metadataOperations, pinsOf } from './metadata-operations.ts'
import { MIRROR_OPERATIONS, mirrorOperations, nameFirstMirrors } from './mirrors.ts'
import { follow, NOTICE_OPERATIONS, noticeOperations } from './notice-operations.ts'
import { machineArchitecture } from './import/machine-architecture.ts'
import { wishesOfSet } from './known-sets.ts'
import { acquireDraft } from './import/acquire-draft.ts'
import { createSigningKey } from './import/openpgp.ts'
import { ROLLOUT_OPERATIONS, rolloutOperations } from './rollout.ts'
import { tagRelease } from './tag-release.ts'
import { verdictsAt, verdictViews } from './verdict-view.ts'
import { withdrawOperation } from './withdraw.ts'
import { watchStatus } from './watch-status.ts'
import { why } from './why.ts'
import { writeSnapshot } from './write-snapshot.ts'

export const OPERATIONS = [
  'channel.create',
  'channel.list',
  'channel.key',
  'channel.rotate',
  'import',
  'commit',
  'follow',
  'releases',
  'snapshot',
  'snapshot.files',
  'snapshot.write',
  'tag',
  'withdraw',
  'advisories',
  'fetch',
  'status',
  'status.watch',
  'why',
  'audit',
  'check',
  ...CONFIG_OPERATIONS,
  ...MIRROR_OPERATIONS,
  ...METADATA_OPERATIONS,
  ...CONFLICT_OPERATIONS,
  ...MAINTAINER_OPERATIONS,
  ...HISTORY_OPERATIONS,
  ...FORK_OPERATIONS,
  ...ROLLOUT_OPERATIONS,
  ...NOTICE_OPERATIONS,
] as const
export type OperationName = (typeof OPERATIONS)[number]

/** Operations that need peers, so that a command without daemon opens the network for them. */
export const NETWORK_OPERATIONS: ReadonlySet<OperationName> = new Set([
  'follow',
  'notifications',
  'fetch',
  'snapshot.write',
  'audit',
  'maintainer.add',
  'meta.log',
  'advisories',
  'meta.merge',
  ...HISTORY_OPERATIONS,
  ...FORK_OPERATIONS,
])

export function operationsOf(node: Node): Record<OperationName, ControlOperation> {
  const checked =
    (run: (args: Arguments, io: ControlIo) => Promise<unknown>): ControlOperation =>
    (args, io) =>
      run(argumentsOf(args), io)
  const allOf = <Name extends string>(
    operations: Record<Name, (args: Arguments, io: ControlIo) => Promise<unknown>>,
  ): Record<Name, ControlOperation> => {
    const named = Object.entries<(args: Arguments, io: ControlIo) => Promise<unknown>>(operations)
    return Object.fromEntries(named.map(([name, run]) => [name, checked(run)])) as Record<Name, ControlOperation>
  }
  const config = configOperations(node.config)
  const mirror = mirrorOperations(node)
  const meta = metadataOperations(node)
  const conflict = conflictOperations(node)
  const maintainer = maintainerOperations(node)
  return {
    'channel.create': checked((args) => createChannel(node, args)),
    'channel.list': checked(async () => ({ channels: node.status().channels })),
    'channel.key': checked((args) => channelKey(node, args)),
    'channel.rotate': checked((args) => rotateChannel(node, args)),
    import: checked((args, io) => importRelease(node, args, io)),
    commit: checked((args) => commitSigned(node, args)),
    follow: checked((args) => follow(node, args)),
    releases: checked((args) => releases(node, args)),
    snapshot: checked((args) => snapshot(node, args)),
    'snapshot.files': checked((args) => snapshotFiles(node, args)),
    'snapshot.write': checked((args, io) => writeSnapshot(node, args, io)),
    withdraw: checked((args) => withdrawOperation(node, args)),
    advisories: checked((args) => advisoriesOperation(node, args)),
    tag: checked((args) => tagRelease(node, args)),
    fetch: checked((args, io) => fetchPackages(node, args, io)),
    status: checked(async () => node.status()),
    'status.watch': checked((_, io) => watchStatus(node, io)),
    why: checked((args) => why(node, args)),
    audit: checked((args, io) => auditOperation(node, args, io)),
    check: checked((args) => checkOperation(node, args)),
    'config.list': checked(config['config.list']),
    'config.set': checked(config['config.set']),
    'config.unset': checked(config['config.unset']),
    'mirror.add': checked(mirror['mirror.add']),
    'mirror.remove': checked(mirror['mirror.remove']),
    'mirror.list': checked(mirror['mirror.list']),
    'meta.get': checked(meta['meta.get']),
    'meta.set': checked(meta['meta.set']),
    'meta.log': checked(meta['meta.log']),
    'meta.blame': checked(meta['meta.blame']),
    'meta.publish': checked(meta['meta.publish']),
    'meta.conflicts': checked(conflict['meta.conflicts']),
    'meta.settle': checked(conflict['meta.settle']),
    'meta.merge': checked(conflict['meta.merge']),
    'maintainer.invite': checked(maintainer['maintainer.invite']),
    'maintainer.add': checked(maintainer['maintainer.add']),
    'maintainer.remove': checked(maintainer['maintainer.remove']),
    'maintainer.list': checked(maintainer['maintainer.list']),
    ...allOf(forkOperations(node)),
    ...allOf(historyOperations(node)),
    ...allOf(rolloutOperations(node)),
    ...allOf(noticeOperations(node)),
  }
}

async function createChannel(node: Node, args: Arguments): Promise<unknown> {
  const name = requireChannelName(textOf(args, 'name'))
  const signers = signersOf(args) // before anything is made
  const { publicKey, privateKey } = await createSigningKey(`Freshet channel ${name}`)
  const channel = await node.createChannel(name, { publicKey: Buffer.from(publicKey), privateKey }, signers)
  return { name, id: channel.log.id }
}

async function channelKey(node: Node, args: Arguments): Promise<unknown> {
  const channel = node.session.channel(textOf(args, 'name'))
  const { signingKey } = channel.genesis ?? (await channel.log.genesis())
  return { name: channel.name, key: signingKey.toString() }
}

async function importRelease(node: Node, args: Arguments, io: ControlIo): Promise<unknown> {
  const { session } = node
  const { pool } = session
  const channel = session.channel(textOf(args, 'channel'))
  const target = session.publishing(channel.name) // where it has passed to other signers
  if (!target.log.writable) {
    throw new FreshetError('CHANNEL_READ_ONLY', `${channel.name} was made on another machine`, {
      channel: channel.name,
    })
  }
  session.requireRunning(target) // before anything is downloaded
  const share = parseShare(optionalTextOf(args, 'share') ?? '100%')
  const request = optionalTextOf(args, 'request')
  if (request === null && target.log.quorum !== null) {
    throw new FreshetError('QUORUM_NEEDED', `${channel.name} has several signers`, { channel: channel.name })
  }
  if (request !== null) requireQuorum(target)
  const refuseBroken = flagOf(args, 'refuseBroken')
  const draft = await acquireDraft({
    source: argumentsOf(args['source']),
    channel: channel.name,
    privateKey: () => node.signingKey(channel.name),
    staging: node.home.staging,
    withdrawn: target.withdrawn,
    alreadyHave: (digest) => pool.held(digest) !== null,
    signal: io.signal,
    onProgress: (done, total) => io.progress({ phase: 'download', done, total }),
  })
  try {
    const result =
      request === null
        ? await node.publish(channel.name, draft, (progress) => io.progress(progress), refuseBroken, share)
        : await prepareRequest(
            node,
            channel.name,
            draft,
            { request, replace: flagOf(args, 'replace'), refuseBroken, share },
            io,
          )
    const components = [...new Set(draft.indexes.map(({ path }) => path.split('/binary-')[0] ?? ''))]
    const isNamed = request === null && !flagOf(args, 'noMirror')
    const mirrors = isNamed ? await nameFirstMirrors(node, target, draft, result.release) : []
    const [{ id }, verdicts] = [target.log, verdictViews(result.verdicts)]
    const about = { verdicts, suite: draft.suite, components, mirrors, share: percentOf(share) }
    return { channel: channel.name, id, ...result, ...about }
  } finally {
    await draft.close()
  }
}

async function releases(node: Node, args: Arguments): Promise<unknown> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const ready = channel.current?.release.number ?? 0
  const frozenNumber = node.frozenSince(channel) === null ? 0 : ready
  const tags = namesOf(await channel.history.tags())
  const releases: unknown[] = []
  for await (const release of channel.history.releases()) {
    const { number, publishedAtMs, releasedAtMs, suite } = release
    releases.push({
      number,
      publishedAt: new Date(publishedAtMs).toISOString(),
      releasedAt: new Date(releasedAtMs).toISOString(),
      suite,
      ready: number <= ready,
      tags: tags.get(number) ?? [],
      frozen: number === frozenNumber,
      verdicts: await verdictsAt(channel, release),
    })
  }
  return { channel: channel.name, releases }
}

/** Number of a release → its tags. */
function namesOf(tags: ReadonlyMap<string, number>): Map<number, string[]> {
  const names = new Map<number, string[]>()
  for (const [name, number] of tags) names.set(number, [...(names.get(number) ?? []), name])
  return names
}

async function snapshot(node: Node, args: Arguments): Promise<unknown> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const { release, indexes, packageCount } = await channel.snapshot(parseWhen(optionalTextOf(args, 'when')))
  return {
    channel: channel.name,
    release: release.number,
    releasedAt: new Date(release.releasedAtMs).toISOString(),
    publishedAt: new Date(release.publishedAtMs).toISOString(),
    suite: release.suite,
    packages: packageCount,
    ...freshnessOf(node, channel, release.number),
    verdicts: await verdictsAt(channel, release),
    indexes: indexes.map(({ path, byteLength, digest }) => ({ path, size: byteLength, sha256: digest })),
  }
}

/** Where the rebuilt index files of a release lie, for a command that reads them itself: a daemon has other work to do. */
export interface SnapshotFiles {
  readonly channel: string
  readonly release: number
  readonly suite: string
  readonly indexes: readonly { readonly path: string; readonly filePath: string }[]
  /** Package → version to stay at, as the channel's maintainers say: in that release, or by now where none was named. */
  readonly pins: Readonly<Record<string, string>>
}

async function snapshotFiles(node: Node, args: Arguments): Promise<SnapshotFiles> {
  const channel = node.session.channel(textOf(args, 'channel'))
  const when = optionalTextOf(args, 'when')
  const { release, indexes } = await channel.snapshot(parseWhen(when))
  const files = indexes.map(({ path, filePath }) => ({ path, filePath }))
  const pins = Object.fromEntries(await pinsOf(channel, when === null ? null : release.number))
  return { channel: channel.name, release: release.number, suite: release.suite, indexes: files, pins }
}

async function fetchPackages(node: Node, args: Arguments, io: ControlIo): Promise<unknown> {
  const channel = textOf(args, 'channel')
  const to = optionalTextOf(args, 'to')
  const wishes = await wishesOf(node, args)
  if (wishes.length === 0) throw new FreshetError('USAGE', 'name a package to fetch')
  if (to !== null) await mkdir(to, { recursive: true }).catch((error: unknown) => Promise.reject(asIoError(error, to)))
  const files: unknown[] = []
  let done = 0
  io.progress({ phase: 'fetch', done, total: wishes.length })
  await eachOf([...wishes.entries()], WISHES_AT_ONCE_MAX, io.signal, async ([i, wish]) => {
    const found = await node.fetch({ channel, ...wish }, io.signal)
    const { name, version, architecture, byteLength, digest, filename, path } = found
    const target = to === null ? path : join(to, basename(filename))
    if (to !== null) await copyFile(path, target).catch((error: unknown) => Promise.reject(asIoError(error, target)))
    files[i] = { name, version, architecture, size: byteLength, sha256: digest, path: target }
    io.progress({ phase: 'fetch', done: ++done, total: wishes.length })
  })
  return { channel, files }
}

/** Packages that are named, each in the release of the command or in one of its own, and those of a known-good set. */
async function wishesOf(node: Node, args: Arguments): Promise<Omit<PackageWish, 'channel'>[]> {
  const when = optionalTextOf(args, 'when')
  const set = optionalTextOf(args, 'set')
  const named = textsOf(args, 'packages').map((text) => {
    const { channel: name, when: own } = splitChannelWhen(text)
    return { ...parsePackage(name), when: own ?? when }
  })
  if (set === null) return named
  const channel = node.session.channel(textOf(args, 'channel'))
  const architecture = optionalTextOf(args, 'architecture') ?? (await machineArchitecture())
  const release = when === null ? null : (await channel.history.resolve(parseWhen(when))).number
  return [...named, ...(await wishesOfSet(channel, set, release, architecture))]
}
