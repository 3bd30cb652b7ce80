/** Tags: given by the publisher, known to followers as soon as the head arrives, never moved, never announced as a release. */
import test, { type Assert } from 'brittle'
import { homeAt } from '../../store/home.ts'
import { HeadRecords } from '../../store/head-records.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { jsonOf, runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 180_000 }

interface Tagged {
  readonly channel: string
  readonly tag: string
  readonly release: number
}

async function publish(t: Assert, publisher: TestNode, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) {
    const directory = await scratchFolder(t)
    await buildDeb(directory, { name: 'aa', version, architecture: 'amd64' })
    await publisher.importDebs('demo', directory)
  }
}

async function tagsOf(node: TestNode): Promise<Record<number, string[]>> {
  const { releases } = await node.call<{ releases: { number: number; tags: string[] }[] }>('releases', {
    channel: 'demo',
  })
  return Object.fromEntries(releases.map(({ number, tags }) => [number, tags]))
}

async function versionAt(node: TestNode, view: string): Promise<string> {
  const response = await fetch(`${node.gateway}/${view}/dists/demo/main/binary-amd64/Packages`)
  if (!response.ok) return `HTTP ${response.status}`
  return /^Version: (.*)$/m.exec(await response.text())?.[1] ?? ''
}

test(
  'tags: given → resolved by the publisher, its followers and their gateways; no release is announced',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await publish(t, publisher, '1', '2')
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(2)
    const give = (tag: string, when: string | null = null): Promise<Tagged> =>
      publisher.call<Tagged>('tag', { channel: 'demo', when, tag })
    t.alike(await give('first', '1'), { channel: 'demo', tag: 'first', release: 1 })
    t.alike(await give('stable-2'), { channel: 'demo', tag: 'stable-2', release: 2 }, 'the newest without WHEN')
    t.alike(await give('again', 'first'), { channel: 'demo', tag: 'again', release: 1 }, 'by another tag')
    t.alike(await tagsOf(publisher), { 1: ['first', 'again'], 2: ['stable-2'] })

    const { length } = publisher.node.session.channel('demo').log
    await follower.until('the head with the last tag is settled', () => {
      const channel = follower.node.session.channel('demo')
      return follower.node.session.state(channel).context.readyLength === length
    })
    t.is(
      (await follower.call<{ release: number }>('snapshot', { channel: 'demo', when: 'again' })).release,
      1,
      'the follower resolves it',
    )
    await publisher.stop()
    t.alike(await tagsOf(follower), { 1: ['first', 'again'], 2: ['stable-2'] }, 'known to the follower, without peers')
    t.is(await versionAt(follower, 'demo@stable-2'), '2')
    t.is(await versionAt(follower, 'demo@first'), '1')
    t.alike(await versionAt(follower, 'demo@none'), 'HTTP 404')
    t.alike(
      follower.notifications.map(({ release }) => release),
      [2],
      'a tag is not a release',
    )
    t.is(follower.status('demo').behind, 0)
  },
)

test('tags: refused → a stable code, and the log has not moved', LONG, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const give = (node: TestNode, tag: string, when: string | null = null): Promise<string> =>
    codeOf(node.call('tag', { channel: 'demo', when, tag }))
  t.is(await give(publisher, 'early'), 'NO_RELEASE')
  await publish(t, publisher, '1')
  t.is(await give(publisher, 'kept'), 'accepted')
  const { log } = publisher.node.session.channel('demo')
  const { length } = log
  for (const tag of ['1', '', '2024-01-01', 'with space', 'x'.repeat(65), '../up']) {
    t.is(await give(publisher, tag), tag === '' ? 'USAGE' : 'TAG_INVALID', JSON.stringify(tag))
  }
  t.is(await give(publisher, 'kept'), 'TAG_EXISTS', 'not even for the same release')
  t.is(await give(publisher, 'later', '9'), 'RELEASE_UNKNOWN')
  t.is(await give(publisher, 'later', 'unknown'), 'RELEASE_UNKNOWN')
  t.is(log.length, length)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(1)
  t.is(await give(follower, 'mine'), 'CHANNEL_READ_ONLY')
})

test(
  'tags: one name given twice at once, beside an import → given once, and the head record is the last one',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node({ offline: true })
    await publisher.createChannel('demo')
    await publish(t, publisher, '1')
    const give = (): Promise<string> => codeOf(publisher.call('tag', { channel: 'demo', when: null, tag: 'once' }))
    const [one, , other] = await Promise.all([give(), publish(t, publisher, '2'), give()])
    t.alike([one, other].toSorted(), ['TAG_EXISTS', 'accepted'])
    const { key, log } = publisher.node.session.channel('demo')
    const head = log.head()
    await publisher.stop()
    const record = (await HeadRecords.open(homeAt(publisher.home).heads)).newest(key)
    t.alike([record?.length, record?.treeHash], [head.length, head.treeHash])
    await publisher.start()
    t.is((await tagsOf(publisher))[1]?.concat((await tagsOf(publisher))[2] ?? []).join(), 'once', 'after a restart too')
    await publish(t, publisher, '3')
    t.is(publisher.status('demo').release, 3, 'releases go on after it')
  },
)

test('tags: on the command line → JSON, and a line for people', LONG, async (t) => {
  const home = await scratchFolder(t)
  const debs = await scratchFolder(t)
  await buildDeb(debs, { name: 'aa', version: '1', architecture: 'amd64' })
  await jsonOf('channel', 'create', 'demo', '--home', home)
  await jsonOf('import', 'demo', '--deb-dir', debs, '--home', home)
  t.alike(await jsonOf('tag', 'demo@1', 'first', '--home', home), { channel: 'demo', tag: 'first', release: 1 })
  const said = await runCommand('tag', 'demo', 'second', '--home', home)
  t.alike([said.exitCode, said.stdout], [0, 'demo@second is release #1\n'])
  const again = await runCommand('tag', 'demo', 'second', '--home', home)
  t.alike([again.exitCode, again.stderr.split(':')[1]?.trim()], [1, 'TAG_EXISTS'])
  const list = await runCommand('releases', 'demo', '--home', home)
  t.ok(/^#1 .* first {2}second\n$/.test(list.stdout), list.stdout)
})
