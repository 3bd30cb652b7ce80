/** One key on two machines, and a log that is rewritten: who sees it stops, keeps the evidence, and shows it to others. */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { homeAt } from '../../store/home.ts'
import { judgeEvidence } from '../../store/evidence.ts'
import { openSwarm } from '../../protocols/swarm.ts'
import { Store } from '../../store/open-store.ts'
import { ReleaseLog } from '../../store/release-log.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { jsonOf, runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNetwork, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const MINUTES = { timeout: 120_000 }

async function publish(t: Assert, publisher: TestNode, version: string): Promise<number> {
  const directory = await scratchFolder(t)
  await buildDeb(directory, { name: 'aa', version, architecture: 'amd64' })
  return (await publisher.importDebs('demo', directory)).release
}

async function versionAt(node: TestNode, when = ''): Promise<string> {
  const response = await fetch(`${node.gateway}/demo${when}/dists/demo/main/binary-amd64/Packages`)
  return /^Version: (.*)$/m.exec(await response.text())?.[1] ?? `HTTP ${response.status}`
}

async function noticesOf(node: TestNode): Promise<string> {
  return (await fetch(`${node.gateway}/demo/dists/demo/InRelease`)).headers.get('freshet-notice') ?? ''
}

async function follow(network: TestNetwork, id: string, release: number): Promise<TestNode> {
  const node = await network.node()
  await node.call('follow', { id })
  await node.announced(release)
  return node
}

/**
 * A second machine with the keys of `original`, which must be stopped: what a copied database in a home of its own makes. The
 * file by which a store knows that it was copied is that of the new home, or it would refuse.
 */
async function copyOf(t: Assert, network: TestNetwork, original: TestNode): Promise<string> {
  const blank = await network.node({ offline: true })
  await blank.stop()
  const [from, to] = [homeAt(original.home), homeAt(blank.home)]
  await rm(join(to.store, 'db'), { recursive: true })
  await cp(join(from.store, 'db'), join(to.store, 'db'), { recursive: true })
  for (const folder of ['heads', 'keys', 'pool', 'indexes'] as const)
    await cp(from[folder], to[folder], { recursive: true })
  t.comment(`the second machine: ${blank.home}`)
  return blank.home
}

async function stopped(t: Assert, node: TestNode, code: string): Promise<Buffer> {
  await node.until(`the channel is stopped`, () => node.status('demo').state === 'stopped')
  const { trouble, evidence } = node.status('demo')
  t.is(trouble, code)
  const kept = await readFile(evidence ?? '')
  t.is(judgeEvidence(kept).code, code, 'its evidence holds')
  return kept
}

interface Story {
  readonly id: string
  /** Machines of the one key; both stopped. */
  readonly publishers: readonly [TestNode, TestNode]
  /** Each has seen one of them; both stopped. */
  readonly followers: readonly [TestNode, TestNode]
}

/** After a common release 1, one machine publishes release 2 and the other `more` releases, on networks that do not meet. */
async function twoStories(t: Assert, more: number): Promise<Story> {
  const [here, there] = [await privateNetwork(t), await privateNetwork(t)]
  const original = await here.node()
  const id = await original.createChannel('demo')
  await publish(t, original, '1')
  await original.stop()
  const copy = await there.node({ home: await copyOf(t, there, original) })
  await original.start()
  await publish(t, original, '2')
  for (let i = 0; i < more; i++) await publish(t, copy, `3.${i}`)
  const followers = [await follow(here, id, 2), await follow(there, id, 1 + more)] as const
  for (const node of followers) t.is(await versionAt(node, '@1'), '1', 'both have seen how it began')
  const { log } = followers[0].node.session.channel('demo')
  const other = followers[1].node.session.channel('demo').log
  t.is(log.length === other.length, more === 1, `${log.length} blocks and ${other.length}`)
  for (const node of [original, copy, ...followers]) await node.stop()
  return { id, publishers: [original, copy], followers }
}

async function meet(nodes: readonly TestNode[], network: TestNetwork): Promise<TestNode[]> {
  const met: TestNode[] = []
  for (const node of nodes) met.push(await network.node({ home: node.home }))
  return met
}

test(
  'equivocation: two machines of one key, two logs of one length → everybody who sees both stops',
  MINUTES,
  async (t) => {
    const { id, publishers, followers } = await twoStories(t, 1)
    const network = await privateNetwork(t)
    const [publisher, one] = (await meet([publishers[0], followers[0]], network)) as [TestNode, TestNode]
    await one.until('its publisher is there', () => one.status('demo').peers > 0)
    t.is(one.status('demo').state, 'current', 'of one story, nothing is wrong')
    const [other] = (await meet([followers[1]], network)) as [TestNode]
    const kept = await Promise.all([publisher, one, other].map((node) => stopped(t, node, 'EQUIVOCATION')))
    t.alike([kept[1], kept[2]], [kept[0], kept[0]], 'the same evidence')
    t.is(await codeOf(publish(t, publisher, '4')), 'EQUIVOCATION', 'nothing is published any more')
    t.alike([await versionAt(one), await versionAt(other)], ['2', '3.0'], 'each serves what it had')
    t.alike([await versionAt(one, '@1'), await versionAt(other, '@1')], ['1', '1'])
    t.is(await noticesOf(one), 'EQUIVOCATION')

    const file = join(await scratchFolder(t), 'evidence')
    await writeFile(file, kept[0] ?? '')
    const finding = await jsonOf<{ proves: string; channel: string; heads: { length: number; fork: number }[] }>(
      'audit',
      '--evidence',
      file,
    )
    t.alike(
      [finding.proves, finding.channel, finding.heads.length],
      ['EQUIVOCATION', id, 2],
      'a third party, by the file alone',
    )
    const said = await runCommand('audit', '--evidence', file)
    t.is(said.exitCode, 0)
    t.ok(said.stdout.includes(id) && said.stdout.includes('different content'), said.stdout)

    await one.stop()
    await other.stop()
    await publisher.stop()
    const newcomer = await network.node()
    await newcomer.call('follow', { id, name: 'demo' })
    await one.start()
    t.is(one.status('demo').state, 'stopped', 'still after a restart')
    t.is(await versionAt(one), '2', 'and it serves what it has')
    await stopped(t, newcomer, 'EQUIVOCATION')
    t.is(newcomer.node.session.channel('demo').log.length, 0, 'a newcomer is told, and given nothing')
    t.is(one.status('demo').peers, 0)
  },
)

test('equivocation: the other log is longer → stops as well', MINUTES, async (t) => {
  const { followers } = await twoStories(t, 2)
  const [one, other] = (await meet(followers, await privateNetwork(t))) as [TestNode, TestNode]
  await stopped(t, one, 'EQUIVOCATION')
  await stopped(t, other, 'EQUIVOCATION')
  t.alike([await versionAt(one), await versionAt(other)], ['2', '3.1'])
  t.alike([await versionAt(one, '@1'), await versionAt(other, '@1')], ['1', '1'], 'older releases too')
})

test(
  'equivocation: a second machine that speaks of no heads → Hypercore sees it, and that is evidence too',
  MINUTES,
  async (t) => {
    const network = await privateNetwork(t)
    const original = await network.node()
    const id = await original.createChannel('demo')
    await publish(t, original, '1')
    await original.stop()
    const home = await copyOf(t, network, original)
    await original.start()
    const follower = await follow(network, id, 1)
    await publish(t, original, '2')
    await follower.announced(2)
    t.is(await versionAt(follower, '@1'), '1')
    await original.stop()

    const store = await Store.open(homeAt(home).store)
    t.teardown(() => store.close(), { order: 0 })
    const { core } = await ReleaseLog.openOwn(store, 'demo')
    const { length } = follower.node.session.channel('demo').log
    await core.append(Array.from({ length }, (_, i) => Buffer.from(`another story ${i}`)))
    const otherLength = core.length
    const swarm = openSwarm({
      bootstrap: [network.bootstrap],
      onConnection: ({ stream }) => void store.cores.replicate(stream),
    })
    t.teardown(() => swarm.destroy(), { order: -1 })
    await swarm.join(core.discoveryKey)

    const kept = await stopped(t, follower, 'EQUIVOCATION')
    t.alike(
      judgeEvidence(kept).heads.map((head) => head.length),
      [length, otherLength],
    )
    t.alike([await versionAt(follower), await versionAt(follower, '@1')], ['2', '1'], 'it serves what it had')
    t.is(follower.node.session.channel('demo').log.length, length)
  },
)

test(
  'rewrite: a publisher that truncates and appends → refused by who followed it and by who comes new',
  MINUTES,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await publish(t, publisher, '1')
    await publish(t, publisher, '2')
    const follower = await follow(network, id, 2)
    const { core } = publisher.node.session.channel('demo').log
    await core.truncate(4)
    await core.append([Buffer.from('rewritten')])
    const kept = await stopped(t, follower, 'HISTORY_REWRITE')
    t.is(judgeEvidence(kept).heads[0]?.fork, 1)
    await stopped(t, publisher, 'HISTORY_REWRITE')
    t.is(await codeOf(publish(t, publisher, '3')), 'HISTORY_REWRITE')
    t.is(await versionAt(follower), '2')
    t.is(follower.node.session.channel('demo').log.core.fork, 0)
    await follower.stop()
    const newcomer = await network.node()
    await newcomer.call('follow', { id, name: 'demo' })
    await publisher.stop()
    await publisher.start()
    await stopped(t, newcomer, 'HISTORY_REWRITE')
    t.is(newcomer.node.session.channel('demo').log.length, 0, 'nothing of a log that was rewritten is taken')
  },
)

test(
  'audit: evidence that was altered, no file, no option → exit 3, 1 and 2, each with its code',
  MINUTES,
  async (t) => {
    const directory = await scratchFolder(t)
    const file = join(directory, 'evidence')
    const ends: [string, number, string][] = []
    const run = async (what: string, ...args: string[]): Promise<void> => {
      const { exitCode, stdout, stderr } = await runCommand('audit', ...args, '--json')
      ends.push([what, exitCode ?? -1, (JSON.parse(stderr) as { error: { code: string } }).error.code])
      t.is(stdout, '')
    }
    await writeFile(file, 'nonsense')
    await run('nonsense', '--evidence', file)
    await writeFile(file, Buffer.alloc(1_000_000))
    await run('too large', '--evidence', file)
    await run('no such file', '--evidence', join(directory, 'none'))
    await run('no option')
    t.alike(ends, [
      ['nonsense', 3, 'EVIDENCE_INVALID'],
      ['too large', 3, 'EVIDENCE_INVALID'],
      ['no such file', 1, 'IO_ERROR'],
      ['no option', 2, 'USAGE'],
    ])
    t.alike(await readdir(directory), ['evidence'])
  },
)
