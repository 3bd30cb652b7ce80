/**
 * The metadata document of a fork: upstream's, by reference, with what the fork's own maintainers say; merged with what upstream says
 * later. Whoever follows the fork alone reads it, and each change is of the person who made it, upstream or here.
 */
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { ForkResult, MergeResult } from '../../tools/fork-operations.ts'
import type { ConflictsResult, MetadataMerge } from '../../tools/metadata-conflicts.ts'
import type { MaintainersResult } from '../../tools/maintainer-operations.ts'
import type { BlameResult, MetadataLogResult, MetadataResult, WrittenResult } from '../../tools/metadata-operations.ts'
import { codeOf } from '../helpers/refusal.ts'
import { privateNetwork, scratchFolder, type TestNetwork, type TestNode } from '../helpers/network.ts'

const LONG = { timeout: 240_000 }
const [BASH, CURL, VIM] = ['package/bash/pin', 'package/curl/pin', 'package/vim/depends']

interface Curated {
  readonly network: TestNetwork
  /** Publishes `up`, and writes its metadata as Ada. */
  readonly upstream: TestNode
  readonly upId: string
  /** Publishes `down`, a fork of `up` #2, and writes its metadata as Bo. */
  readonly forker: TestNode
  readonly fork: ForkResult
  readonly release: () => Promise<void>
}

async function curated(t: Assert): Promise<Curated> {
  const network = await privateNetwork(t)
  const upstream = await network.node()
  const upId = await upstream.createChannel('up')
  const debs = await scratchFolder(t)
  let count = 0
  const release = async (): Promise<void> => {
    await buildDeb(debs, { name: `pkg${++count}`, version: '1', architecture: 'amd64' })
    await upstream.importDebs('up', debs)
  }
  await release()
  await maintainer(upstream, 'up', 'Ada')
  await set(upstream, 'up', BASH, '5.2-1')
  await set(upstream, 'up', VIM, 'libc6')
  await release()
  const forker = await network.node()
  await forker.call('follow', { id: upId })
  await forker.announced(2)
  const fork = await forker.call<ForkResult>('fork', { channel: 'up', name: 'down', wishes: [] })
  return { network, upstream, upId, forker, fork, release }
}

async function maintainer(node: TestNode, channel: string, name: string): Promise<string> {
  const { key } = await node.call<{ key: string }>('maintainer.invite', { channel, name })
  await node.call('maintainer.add', { channel })
  return key
}

function set(node: TestNode, channel: string, path: string, value: string | null): Promise<WrittenResult> {
  return node.call('meta.set', { channel, registers: { [path]: value } })
}

async function valuesOf(node: TestNode, channel: string, path: string, when: string | null = null): Promise<string[]> {
  const { registers } = await node.call<MetadataResult>('meta.get', { channel, when, path })
  return registers.flatMap(({ value, conflicts }) => [value, ...conflicts])
}

async function blameOf(node: TestNode, path: string): Promise<string[]> {
  const { registers } = await node.call<BlameResult>('meta.blame', { channel: 'down', path })
  return registers.flatMap(({ values }) => values.map(({ value, name, of }) => `${value} ${name} of ${of.channel}`))
}

async function followerOf(network: TestNetwork, { id, release }: ForkResult): Promise<TestNode> {
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(release)
  return follower
}

test(
  'fork metadata: a fork that says nothing → has what upstream said at its release, without a byte of it; it moves with merges',
  LONG,
  async (t) => {
    const { network, upstream, forker, fork, release } = await curated(t)
    const follower = await followerOf(network, fork)
    t.is(follower.status('up').role, 'upstream', 'followed for the fork alone')
    t.alike(await valuesOf(follower, 'down', BASH), ['5.2-1'])
    t.alike(await valuesOf(follower, 'down', BASH, '#1'), ['5.2-1'])
    const { length } = forker.node.session.channel('down').log
    await set(upstream, 'up', BASH, '5.2-2')
    await release()
    await forker.serves('up', 3)
    t.alike(await valuesOf(forker, 'down', BASH), ['5.2-1'], 'what upstream says later does not move the fork')
    const merged = await forker.call<MergeResult>('fork.merge', { fork: 'down' })
    t.is(merged.conflicts, 0)
    t.is(forker.node.session.channel('down').log.length, length + 2, 'the release and its signature, nothing else')
    await follower.serves('down', 2)
    t.alike(await valuesOf(follower, 'down', BASH), ['5.2-2'])
    t.alike(await valuesOf(follower, 'down', BASH, '#1'), ['5.2-1'], 'an old release has its old document')
    t.alike(await blameOf(follower, BASH), ['5.2-2 Ada of up'])
  },
)

test(
  'fork metadata: the fork and upstream pin one package differently → shown, settled by a person; the rest merges, and an audit holds',
  LONG,
  async (t) => {
    const { network, upstream, forker, fork, release } = await curated(t)
    const follower = await followerOf(network, fork)
    await maintainer(forker, 'down', 'Bo')
    await set(forker, 'down', BASH, '5.1-9')
    await set(forker, 'down', CURL, '7.88-1')
    await set(forker, 'down', 'channel/note', 'ours')
    await set(upstream, 'up', BASH, '5.2-2')
    await set(upstream, 'up', VIM, null)
    await set(upstream, 'up', 'package/vim/tag/editor', 'yes')
    await set(upstream, 'up', 'channel/note', 'theirs')
    await release()
    await forker.serves('up', 3)
    const merged = await forker.call<MergeResult>('fork.merge', { fork: 'down' })
    t.is(merged.conflicts, 1)
    const conflicts = async (all = false): Promise<ConflictsResult['conflicts']> =>
      (await forker.call<ConflictsResult>('meta.conflicts', { channel: 'down', all })).conflicts
    t.alike(
      (await conflicts()).map(({ path, values }) => [path, values.map(({ value, name }) => `${value} ${name}`).sort()]),
      [[BASH, ['5.1-9 Bo', '5.2-2 Ada']]],
    )
    t.is((await conflicts(true)).length, 2, 'a note that two wrote is merged, and can be seen')
    t.alike(await valuesOf(forker, 'down', VIM), [], 'deleted upstream')
    t.alike(await valuesOf(forker, 'down', 'package/vim/tag/editor'), ['yes'])
    t.alike(await valuesOf(forker, 'down', CURL), ['7.88-1'])
    await follower.serves('down', 2)
    t.alike((await blameOf(follower, BASH)).sort(), ['5.1-9 Bo of down', '5.2-2 Ada of up'])

    const settle = (path: string, value: string): Promise<unknown> =>
      forker.call('meta.settle', { channel: 'down', path, value })
    t.is(await codeOf(settle(BASH, '9')), 'CONFLICT_UNKNOWN', 'nobody said that')
    t.is(await codeOf(settle(CURL, '7.88-1')), 'CONFLICT_UNKNOWN', 'nobody said anything else')
    await settle(BASH, '5.2-2')
    t.alike(await conflicts(), [])
    t.alike(await blameOf(forker, BASH), ['5.2-2 Bo of down'], 'of whoever decided, though Ada said so first')
    t.alike(await valuesOf(upstream, 'up', BASH), ['5.2-2'], 'and upstream hears nothing of it')

    await set(upstream, 'up', CURL, '8')
    await release()
    await forker.serves('up', 4)
    const taken = await forker.call<MetadataMerge>('meta.merge', { channel: 'down' })
    t.alike([taken.upstream, taken.fresh, taken.conflicts], [4, 2, 1], 'ours that settled it, and theirs')
    t.is(forker.status('down').release, 2, 'no package moved')
    await forker.call('fork.merge', { fork: 'down' })
    await follower.serves('down', 3)
    t.alike((await valuesOf(follower, 'down', CURL, '#3')).sort(), ['7.88-1', '8'])
    t.alike(await valuesOf(follower, 'down', BASH, '#3'), ['5.2-2'])
    t.alike((await valuesOf(follower, 'down', BASH, '#2')).sort(), ['5.1-9', '5.2-2'])
    t.alike(await valuesOf(follower, 'down', BASH, '#1'), ['5.2-1'])
    const { changes } = await follower.call<MetadataLogResult>('meta.log', { channel: 'down' })
    t.alike(
      changes.map(({ state }) => state).filter((state) => state !== 'counts'),
      [],
    )
    t.alike([...new Set(changes.map(({ name, of }) => `${name} of ${of.channel}`))].sort(), ['Ada of up', 'Bo of down'])
    const audit = await follower.call<{ ok: boolean; failures: unknown[]; unchecked: unknown[] }>('audit', {
      channel: 'down',
    })
    t.alike([audit.ok, audit.failures, audit.unchecked], [true, [], []])
    t.is(await codeOf(upstream.call('meta.merge', { channel: 'up' })), 'NOT_A_FORK')
  },
)

test(
  'fork metadata: upstream removes a maintainer after the fork → what the fork took of them stays, what they write then never comes',
  LONG,
  async (t) => {
    const { network, upstream, upId, forker, release } = await curated(t)
    await maintainer(forker, 'down', 'Bo')
    const eve = await network.node()
    await eve.call('follow', { id: upId })
    await eve.announced(2)
    const { key } = await eve.call<{ key: string }>('maintainer.invite', { channel: 'up', name: 'Eve' })
    await upstream.call('maintainer.add', { channel: 'up', key })
    await set(eve, 'up', CURL, '6')
    await upstream.until('the change is here', async () => (await valuesOf(upstream, 'up', CURL)).includes('6'))
    await release()
    await forker.serves('up', 3)
    await forker.call('fork.merge', { fork: 'down' })
    t.alike(await blameOf(forker, CURL), ['6 Eve of up'])
    await upstream.call('maintainer.remove', { channel: 'up', key: 'Eve' })
    const { metadata } = eve.node.session.channel('up')
    const own = await metadata.own()
    const made = (await metadata.whole('with own drafts')).document.edit([{ path: BASH, value: '1' }], null, 0)
    await own?.append(2, made as Buffer, [{ key: own.key, seq: 1 }])
    await release()
    await forker.serves('up', 4)
    await forker.call('fork.merge', { fork: 'down' })
    t.alike(await blameOf(forker, CURL), ['6 Eve of up'], 'it was said while she might')
    t.alike(await valuesOf(forker, 'down', BASH), ['5.2-1'])
    const { inherited } = await forker.call<MaintainersResult>('maintainer.list', { channel: 'down' })
    t.alike(inherited.map(({ name, changes }) => `${name} ${changes}`).sort(), ['Ada 2', 'Eve 1'])
    t.is(
      await codeOf(forker.call('maintainer.remove', { channel: 'down', key })),
      'MAINTAINER_UNKNOWN',
      'she is upstream’s to remove; the fork overrules what she said',
    )
    t.is(await codeOf(forker.call('maintainer.add', { channel: 'down', key })), 'MAINTAINER_EXISTS')
    await set(forker, 'down', CURL, '7')
    t.alike(await blameOf(forker, CURL), ['7 Bo of down'])
  },
)

test('fork metadata: a fork of a fork → has the document of both, and says whose each part is', LONG, async (t) => {
  const { network, upstream, forker, fork, release } = await curated(t)
  const second = await followerOf(network, fork)
  const deep = await second.call<ForkResult>('fork', { channel: 'down', name: 'deep', wishes: [] })
  t.alike(await valuesOf(second, 'deep', BASH), ['5.2-1'], 'of upstream’s upstream, two logs up')
  await maintainer(second, 'deep', 'Cy')
  await set(second, 'deep', CURL, '1')
  await maintainer(forker, 'down', 'Bo')
  await set(forker, 'down', VIM, 'libc6, vim-common')
  await set(upstream, 'up', BASH, '5.2-2')
  await release()
  await forker.serves('up', 3)
  await forker.call('fork.merge', { fork: 'down' })
  await second.serves('down', 2)
  await second.call('fork.merge', { fork: 'deep' })
  const follower = await followerOf(network, { ...deep, release: 2 })
  const { registers } = await follower.call<BlameResult>('meta.blame', { channel: 'deep' })
  t.alike(
    registers.flatMap(({ path, values }) =>
      values.map(({ value, name, of }) => `${path} ${value} ${name} of ${of.channel}`),
    ),
    [`${BASH} 5.2-2 Ada of up`, `${CURL} 1 Cy of deep`, `${VIM} libc6, vim-common Bo of down`],
  )
  t.alike(await valuesOf(follower, 'deep', BASH, '#1'), ['5.2-1'])
  const audit = await follower.call<{ ok: boolean; failures: unknown[]; unchecked: unknown[] }>('audit', {
    channel: 'deep',
  })
  t.alike([audit.ok, audit.failures, audit.unchecked], [true, [], []])
})
