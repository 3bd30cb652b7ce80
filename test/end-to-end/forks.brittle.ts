/**
 * A fork between nodes: made from a channel that others publish, followed by its id alone, read by the real apt with its own key;
 * upstream's files come from whoever follows upstream, its own from whoever follows the fork.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { startAutoMerge } from '../../tools/auto-merge.ts'
import type { ForkMerge, ForkResult, ForkStatus, MergeResult } from '../../tools/fork-operations.ts'
import type { DiffResult, ProvenanceResult, WhenResult } from '../../tools/history-operations.ts'
import { codeOf } from '../helpers/refusal.ts'
import { privateNetwork, scratchFolder, type TestNetwork, type TestNode } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'

const missing = skipUnless('apt', 'dpkg')
const LARGE = 'x'.repeat(40_000)

interface Wanted {
  readonly name: string
  readonly version: string
}

/** @returns a folder with these packages; large enough that each needs a piece root. */
async function debs(t: Assert, ...packages: readonly (readonly [name: string, version: string])[]): Promise<string> {
  const directory = await scratchFolder(t)
  for (const [name, version] of packages) {
    const files = { [`usr/share/${name}/data`]: Buffer.from(`${name} ${version} ${LARGE}`) }
    await buildDeb(directory, { name, version, architecture: 'all', files, compression: 'none' })
  }
  return directory
}

/** Upstream and a follower of it that has every file. */
async function upstreamOf(
  t: Assert,
  network: TestNetwork,
): Promise<{ upstream: TestNode; holder: TestNode; id: string }> {
  const [upstream, holder] = [await network.node(), await network.node()]
  const id = await upstream.createChannel('up')
  await upstream.importDebs('up', await debs(t, ['aa', '1'], ['bb', '1'], ['cc', '1'], ['dd', '1']))
  await holder.call('follow', { id })
  await holder.announced(1)
  await holder.call('fetch', { channel: 'up', packages: ['aa', 'bb', 'cc', 'dd'] })
  return { upstream, holder, id }
}

async function forkOf(t: Assert, network: TestNetwork, id: string): Promise<{ forker: TestNode; fork: ForkResult }> {
  const forker = await network.node()
  await forker.call('follow', { id })
  await forker.announced(1)
  const wishes = [
    { wish: 'add', directory: await debs(t, ['own', '1']) },
    { wish: 'replace', directory: await debs(t, ['bb', '1+ours1']) },
    { wish: 'remove', packages: ['cc'] },
    { wish: 'pin', packages: ['dd=1'] },
  ]
  return { forker, fork: await forker.call<ForkResult>('fork', { channel: 'up', name: 'down', wishes }) }
}

async function aptGets(t: Assert, node: TestNode, packages: readonly Wanted[]): Promise<void> {
  const { key } = await node.call<{ key: string }>('channel.key', { name: 'down' })
  const keyring = join(await scratchFolder(t), 'down.asc')
  await writeFile(keyring, key)
  const apt = await scratchApt({ sources: [`deb [signed-by=${keyring}] ${node.gateway}/down down main`] })
  t.teardown(() => apt.remove())
  const update = await apt.update()
  t.is(update.exitCode, 0, `apt-get update: ${update.exitCode === 0 ? 'done' : update.output}`)
  const download = await apt.download(packages.map(({ name, version }) => `${name}=${version}`))
  t.is(download.exitCode, 0, `apt-get download: ${download.exitCode === 0 ? 'done' : download.output}`)
  t.is(download.paths.length, packages.length)
}

test(
  'fork: followed by its id, apt with its key alone → upstream’s files from a follower of upstream',
  { timeout: 120_000 },
  async (t) => {
    const network = await privateNetwork(t)
    const { upstream, holder, id } = await upstreamOf(t, network)
    const { forker, fork } = await forkOf(t, network, id)
    t.alike(
      [fork.release, fork.upstream.release, fork.own, fork.pinned, fork.removed, fork.artifacts],
      [1, 1, ['bb:all=1+ours1', 'own:all=1'], ['dd:all=1'], ['cc'], 2],
    )

    const follower = await network.node()
    await follower.call('follow', { id: fork.id })
    await follower.announced(1)
    t.is(follower.status('up').role, 'upstream', 'its log came, and nobody asked for it by name')
    await upstream.stop()
    t.is(forker.node.status().pool.artifacts, 2, 'who made the fork has no file of upstream')

    const own = await follower.call<{ files: { version: string }[] }>('fetch', {
      channel: 'down',
      packages: ['own', 'bb'],
    })
    t.alike(
      own.files.map(({ version }) => version),
      ['1', '1+ours1'],
    )
    const theirs = await follower.call<{ files: { version: string }[] }>('fetch', {
      channel: 'down',
      packages: ['aa', 'dd'],
    })
    t.alike(
      theirs.files.map(({ version }) => version),
      ['1', '1'],
      'from the follower of upstream',
    )
    t.is(await codeOf(follower.call('fetch', { channel: 'down', packages: ['cc'] })), 'PACKAGE_UNKNOWN')
    if (missing === null) {
      await aptGets(t, follower, [
        { name: 'aa', version: '1' },
        { name: 'bb', version: '1+ours1' },
        { name: 'own', version: '1' },
        { name: 'dd', version: '1' },
      ])
    } else t.comment(missing)

    await holder.stop()
    const late = await network.node()
    await late.call('follow', { id })
    await late.announced(1)
    const seeded = await late.call<{ files: unknown[] }>('fetch', { channel: 'up', packages: ['aa'] })
    t.is(seeded.files.length, 1, 'and the follower of the fork gives it to a follower of upstream')
  },
)

test(
  'fork: a follower that is started again, without peers → serves what it had; then it follows upstream, too',
  { timeout: 60_000 },
  async (t) => {
    const network = await privateNetwork(t)
    const { id } = await upstreamOf(t, network)
    const { fork } = await forkOf(t, network, id)
    const home = await scratchFolder(t)
    const follower = await network.node({ home })
    await follower.call('follow', { id: fork.id })
    await follower.announced(1)
    await follower.stop()
    const alone = await network.node({ home, offline: true })
    t.is(alone.status('down').release, 1)
    t.alike(alone.warnings, [])
    await alone.stop()
    const again = await network.node({ home })
    await again.call('follow', { id })
    t.is(again.status('up').role, 'follower')
    t.is((await again.call<{ packages: number }>('snapshot', { channel: 'up' })).packages, 8)
  },
)

test('fork: what cannot be → refused, and no release is made', { timeout: 60_000 }, async (t) => {
  const network = await privateNetwork(t)
  const { id } = await upstreamOf(t, network)
  const { forker } = await forkOf(t, network, id)
  const change = (wish: object): Promise<string> => codeOf(forker.call('fork.change', { fork: 'down', wishes: [wish] }))
  t.is(await change({ wish: 'pin', packages: ['aa=7'] }), 'PACKAGE_UNKNOWN', 'a version that no release held')
  t.is(await change({ wish: 'add', directory: await debs(t, ['aa', '2']) }), 'CURATION_REFUSED', 'upstream has it')
  t.is(await change({ wish: 'replace', directory: await debs(t, ['zz', '2']) }), 'CURATION_REFUSED', 'it has not')
  t.is(await change({ wish: 'remove', packages: ['zz'] }), 'CURATION_REFUSED')
  t.is(await change({ wish: 'pin', packages: ['aa'] }), 'USAGE')
  t.is(await change({ wish: 'rule', rule: 'mine', packages: [] }), 'USAGE')
  t.is(await codeOf(forker.call('fork.change', { fork: 'up', wishes: [] })), 'CHANNEL_READ_ONLY')
  t.is(await codeOf(forker.call('fork', { channel: 'up', when: '9', name: 'other', wishes: [] })), 'RELEASE_UNKNOWN')
  t.is(await codeOf(forker.call('fork', { channel: 'nobody', name: 'other', wishes: [] })), 'CHANNEL_UNKNOWN')
  t.is(await codeOf(forker.call('fork', { channel: 'up', name: 'down', wishes: [] })), 'CHANNEL_EXISTS')
  t.is(forker.status('down').release, 1)
  const again = await forker.call<ForkResult>('fork.change', {
    fork: 'down',
    wishes: [{ wish: 'remove', packages: ['cc'] }],
  })
  t.is(again.release, 1, 'it is left out already')
  const ruled = await forker.call<ForkResult>('fork.change', {
    ...{ fork: 'down', wishes: [{ wish: 'rule', rule: 'theirs', packages: ['aa'] }] },
  })
  t.is(ruled.release, 2, 'a rule that moves no package today is kept all the same')
  const same = await forker.call<ForkResult>('fork.change', { fork: 'down', wishes: [] })
  t.alike([same.release, same.bytes], [2, 0], 'nothing new, and no release')
})

test(
  'fork: upstream moves → a preview, a merge by the rule, and by the daemon itself where nothing collides',
  { timeout: 90_000 },
  async (t) => {
    const network = await privateNetwork(t)
    const { upstream, id } = await upstreamOf(t, network)
    const { forker } = await forkOf(t, network, id)
    await upstream.importDebs('up', await debs(t, ['aa', '2'], ['bb', '2'], ['cc', '1'], ['dd', '2'], ['ee', '1']))
    await forker.announced(2)
    const status = await forker.call<ForkStatus>('fork.status', { fork: 'down' })
    t.alike(
      [
        status.upstream.release,
        status.upstream.newest,
        status.from,
        status.to,
        status.moved.upgraded,
        status.moved.added,
      ],
      [1, 2, 1, 2, 3, 1],
    )
    const collide = ({ collisions }: ForkMerge): string[] => [
      ...new Set(collisions.map(({ name, before, theirs, taken }) => [name, ...before, ...theirs, taken].join(' '))),
    ]
    t.alike(collide(status), ['bb 1 2 ours', 'dd 1 2 pinned'])
    const merged = await forker.call<MergeResult>('fork.merge', { fork: 'down', rule: 'newer', auto: 'clean' })
    t.alike([merged.release, merged.upstream.release, collide(merged)], [2, 2, ['bb 1 2 theirs', 'dd 1 2 pinned']])
    t.alike([...new Set(merged.overruled)], ['bb'])
    const diff = await forker.call<DiffResult>('diff', { from: 'up', to: 'down' })
    t.alike(
      [diff.downgraded, diff.removed, diff.added, diff.upgraded].map((items) => items.map(({ name }) => name)),
      [['dd'], ['cc'], ['own'], []],
    )

    const merging = startAutoMerge(forker.node, (message) => forker.warnings.push(message))
    t.teardown(() => merging.close())
    await upstream.importDebs('up', await debs(t, ['aa', '3'], ['bb', '2'], ['cc', '1'], ['dd', '2'], ['ee', '1']))
    await forker.serves('down', 3)
    t.is((await forker.call<ForkStatus>('fork.status', { fork: 'down' })).upstream.release, 3)
    await upstream.importDebs('up', await debs(t, ['aa', '3'], ['bb', '3'], ['cc', '1'], ['dd', '2'], ['ee', '1']))
    await forker.until('it is said that it was not merged', () =>
      forker.warnings.some((line) => line.includes('1 packages collide')),
    )
    t.is(forker.status('down').release, 3)
  },
)

test(
  'fork of a fork: three logs → one repository; where a package comes from, and which releases held it',
  { timeout: 90_000 },
  async (t) => {
    const network = await privateNetwork(t)
    const { id } = await upstreamOf(t, network)
    const { fork } = await forkOf(t, network, id)
    const second = await network.node()
    await second.call('follow', { id: fork.id })
    await second.announced(1)
    const wishes = [
      { wish: 'add', directory: await debs(t, ['more', '1']) },
      { wish: 'remove', packages: ['own'] },
    ]
    const made = await second.call<ForkResult>('fork', { channel: 'down', name: 'deep', wishes })
    const follower = await network.node()
    await follower.call('follow', { id: made.id })
    await follower.announced(1)
    const { files } = await follower.call<{ files: { name: string; version: string }[] }>('fetch', {
      channel: 'deep',
      packages: ['aa', 'bb', 'more'],
    })
    t.alike(
      files.map(({ name, version }) => `${name} ${version}`),
      ['aa 1', 'bb 1+ours1', 'more 1'],
    )

    const { packages } = await follower.call<ProvenanceResult>('provenance', { channel: 'deep', package: 'aa' })
    t.alike(
      packages[0]?.path.map(({ id: of, release }) => [of, release]),
      [
        [made.id, 1],
        [fork.id, 1],
        [id, 1],
      ],
    )
    t.is(packages[0]?.brought.id, id)
    const ours = await follower.call<ProvenanceResult>('provenance', { channel: 'deep', package: 'bb' })
    t.alike([ours.packages[0]?.path.length, ours.packages[0]?.brought.id], [2, fork.id])

    await second.call('fork.change', { fork: 'deep', wishes: [{ wish: 'remove', packages: ['aa'] }] })
    await follower.announced(2)
    const held = async (name: string): Promise<unknown> =>
      (await follower.call<WhenResult>('when', { channel: 'deep', packages: [name] })).ranges
    t.alike([await held('aa'), await held('bb'), await held('more')], [[[1, 1]], [[1, 2]], [[1, 2]]])
    t.is(await codeOf(held('own')), 'PACKAGE_UNKNOWN')
    t.is(await codeOf(follower.call('provenance', { channel: 'deep', package: 'aa' })), 'PACKAGE_UNKNOWN')

    const audit = await follower.call<{ ok: boolean; failures: unknown[]; unchecked: unknown[] }>('audit', {
      channel: 'deep',
    })
    t.alike([audit.ok, audit.failures, audit.unchecked], [true, [], []])
  },
)
