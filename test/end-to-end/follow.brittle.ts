/** Publisher and followers over a private DHT: what is announced, caught up, fetched and served, and what is not obeyed. */
import { cp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { FreshetError } from '../../schemas/errors.ts'
import { type ChannelEvent, decodeEvent } from '../../schemas/events.ts'
import { HeadRecords } from '../../store/head-records.ts'
import { homeAt } from '../../store/home.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { importDebDir } from '../../tools/import/deb-dir.ts'
import { clearSign } from '../../tools/import/openpgp.ts'
import { httpConnection } from '../helpers/http-connection.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const MINUTE = { timeout: 60_000 }

/** A folder of .debs: each name's newest version. */
async function folderOf(t: Assert, packages: Readonly<Record<string, string>>): Promise<string> {
  const directory = await scratchFolder(t)
  for (const [name, version] of Object.entries(packages)) {
    await buildDeb(directory, {
      name,
      version,
      architecture: 'amd64',
      files: { [`usr/share/${name}`]: `${name} ${version}` },
    })
  }
  return directory
}

async function publish(t: Assert, publisher: TestNode, packages: Readonly<Record<string, string>>): Promise<number> {
  return (await publisher.importDebs('demo', await folderOf(t, packages))).release
}

async function packagesAt(node: TestNode, channel: string, suite = 'demo'): Promise<string> {
  const response = await fetch(`${node.gateway}/${channel}/dists/${suite}/main/binary-amd64/Packages`)
  return response.ok ? await response.text() : `HTTP ${response.status}`
}

const versionIn = (packages: string, name: string): string | undefined =>
  new RegExp(`^Package: ${name}\nVersion: (.*)$`, 'm').exec(packages)?.[1]

/** A publisher with one release of package aa 1, and a follower that serves it. */
async function followed(t: Assert) {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publish(t, publisher, { aa: '1' })
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(1)
  return { publisher, follower, id }
}

test('follow: two releases → each is pushed and announced with what it changed', MINUTE, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publish(t, publisher, { stays: '1', goes: '1', grows: '1.9' })
  const follower = await network.node()
  await follower.call('follow', { id })
  const first = await follower.announced(1)
  t.alike(
    { channel: first.channel, previous: first.previous, packages: first.packages, behind: first.behind },
    { channel: 'demo', previous: 0, packages: 3, behind: 0 },
    'the first, under the name that its publisher gave it',
  )
  const startedAtMs = performance.now()
  t.is(await publish(t, publisher, { stays: '1', comes: '5', grows: '1.10' }), 2)
  const second = await follower.announced(2)
  t.comment(`import of release 2 until its announcement: ${Math.round(performance.now() - startedAtMs)} ms`)
  t.alike(second.counts, { added: 1, removed: 1, upgraded: 1, downgraded: 0, changed: 0 })
  const changes = [...(second.changes ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  t.alike(
    changes.map(({ kind, name, from, to }) => ({ kind, name, from, to })),
    [
      { kind: 'added', name: 'comes', from: null, to: '5' },
      { kind: 'removed', name: 'goes', from: '1', to: null },
      { kind: 'upgraded', name: 'grows', from: '1.9', to: '1.10' },
    ],
  )
  t.alike([second.previous, second.packages, second.behind], [1, 3, 0])
  t.alike(
    follower.notifications.map(({ release }) => release),
    [1, 2],
    'each once',
  )
})

test('follow: an offline follower → catches up after a restart, and is told each release', MINUTE, async (t) => {
  const { publisher, follower } = await followed(t)
  await follower.stop()
  await publish(t, publisher, { aa: '2' })
  await publish(t, publisher, { aa: '3' })
  await follower.start()
  t.is(follower.status('demo').release, 1, 'what was served is served before any peer is heard')
  const late = await follower.announced(3)
  t.alike([late.previous, late.counts.upgraded, late.changes?.[0]?.from, late.changes?.[0]?.to], [2, 1, '2', '3'])
  t.alike(
    follower.notifications.map(({ number, release, behind }) => [number, release, behind]),
    [
      [1, 1, 0],
      [2, 2, 1],
      [3, 3, 0],
    ],
  )
  t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '3')
  await follower.stop()
  await publisher.stop()
  await follower.start()
  t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '3', 'and after a restart with nobody there')
})

test(
  'follow: after releases that replaced stanzas → only blocks that the snapshot needs are fetched',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    const releases = 8
    for (let version = 1; version <= releases; version++) {
      await publish(t, publisher, { changes: String(version), [`once-${version}`]: '1' })
    }
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.serves(id, releases)
    const [log, own] = [follower.node.session.channel(id).log, publisher.node.session.channel(id).log]
    t.is(log.length, own.length)
    const unneeded: string[] = []
    const fetched: Partial<Record<ChannelEvent['type'], number>> = {}
    for (let block = 0; block < own.length; block++) {
      const event = decodeEvent(await own.block(block))
      if (event === null || !(await log.core.has(block))) continue
      fetched[event.type] = (fetched[event.type] ?? 0) + 1
      const newest = block >= own.length - 3
      if (!newest && (event.type === 'stanzas' || event.type === 'signedIndex')) unneeded.push(`${block} ${event.type}`)
    }
    t.alike(unneeded, [], 'no text and no signature of older releases')
    t.alike(fetched, { genesis: 1, release: releases, stanzas: 1, signedIndex: 1 })
    t.is(versionIn(await packagesAt(follower, `demo@1`), 'changes'), '1', 'older text comes when somebody asks for it')
    t.ok(await log.core.has(1))
  },
)

test('follow: @number and @time → older releases stay served, and a pinned client keeps its own', MINUTE, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publish(t, publisher, { aa: '1' })
  const follower = await network.node()
  await follower.call('follow', { id })
  const { publishedAt } = await follower.announced(1)
  const connection = httpConnection(t)
  const get = async (path: string): Promise<string> => {
    return (await connection(`${follower.gateway}/demo/dists/demo/${path}`)).body.toString()
  }
  const inRelease = await get('InRelease')
  await publish(t, publisher, { aa: '2' })
  await follower.announced(2)
  t.is(versionIn(await get('main/binary-amd64/Packages'), 'aa'), '1', 'the release of its InRelease')
  t.not(await get('InRelease'), inRelease, 'a new InRelease')
  t.is(versionIn(await get('main/binary-amd64/Packages'), 'aa'), '2', 'moves the pin')
  for (const [when, version] of [
    ['1', '1'],
    ['%231', '1'],
    ['2', '2'],
    [publishedAt, '1'],
    [new Date(Date.parse(publishedAt) - 1).toISOString(), 'HTTP 404'],
    [new Date(Date.now() + 60_000).toISOString(), '2'],
    ['3', 'HTTP 404'],
    ['2001-01-01', 'HTTP 404'],
  ] as const) {
    const packages = await packagesAt(follower, `demo@${when}`)
    t.is(versionIn(packages, 'aa') ?? packages, version, `@${when}`)
  }
})

/** A backup of what a restore would bring back: the database of the store, and the head records. */
async function backUp(home: string, aside: string): Promise<void> {
  const { store, heads } = homeAt(home)
  await cp(join(store, 'db'), join(aside, 'db'), { recursive: true })
  await cp(heads, join(aside, 'heads'), { recursive: true })
}

/** In place: the file by which a store knows that it was copied stays. */
async function restore(home: string, aside: string, parts: readonly ('db' | 'heads')[]): Promise<void> {
  const { store, heads } = homeAt(home)
  const places = { db: join(store, 'db'), heads }
  for (const part of parts) {
    await rm(places[part], { recursive: true })
    await rename(join(aside, part), places[part])
  }
}

test(
  'follow: a publisher restored to an older state → takes the rest over from its follower, and no fork',
  MINUTE,
  async (t) => {
    const { publisher, follower, id } = await followed(t)
    const key = await publisher.node.signingKey('demo')
    await publisher.stop()
    const aside = await scratchFolder(t)
    await backUp(publisher.home, aside)
    await publisher.start()
    await publish(t, publisher, { aa: '2' })
    await follower.announced(2)
    await publisher.stop()
    const directory = await folderOf(t, { aa: '3' })
    const draft = await importDebDir({ directory, suite: 'demo', sign: async (text) => await clearSign(text, key) })
    await restore(publisher.home, aside, ['db', 'heads'])
    await publisher.start()
    t.is(publisher.node.session.channel('demo').history.newest?.number, 1, 'the restored state is older')
    const code = await codeOf(publisher.node.publish('demo', draft)) // at once: the follower is not there yet
    t.comment(`the import was ${code}`)
    t.ok(code === 'accepted' || code === 'PUBLISH_BEHIND')
    if (code === 'accepted') {
      t.is((await follower.announced(3)).previous, 2)
      t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '3')
    }
    t.is(versionIn(await packagesAt(follower, 'demo@2'), 'aa'), '2', 'release 2 is still history')
    t.is(follower.status('demo').state, 'current')
    t.is(follower.node.session.channel(id).log.core.fork, 0)
  },
)

test('follow: a publisher restored with its newer head record and no peer → refuses to append', MINUTE, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node({ offline: true })
  await publisher.createChannel('demo')
  await publish(t, publisher, { aa: '1' })
  await publisher.stop()
  const aside = await scratchFolder(t)
  await backUp(publisher.home, aside)
  await publisher.start()
  await publish(t, publisher, { aa: '2' })
  await publisher.stop()
  await restore(publisher.home, aside, ['db'])
  await publisher.start()
  const { length } = publisher.node.session.channel('demo').log
  t.is(await codeOf(publish(t, publisher, { aa: '3' })), 'PUBLISH_BEHIND')
  t.is(publisher.node.session.channel('demo').log.length, length, 'nothing was appended')
  t.is(publisher.status('demo').release, 1, 'what it has is served')
})

test(
  'follow: a publisher that truncates and rewrites its log → is not obeyed, and the old release is served',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await publish(t, publisher, { aa: '1' })
    await publish(t, publisher, { aa: '2' })
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(2)
    const before = follower.node.session.channel(id).log.length
    const { core } = publisher.node.session.channel(id).log
    await core.truncate(4)
    await core.append(Array.from({ length: 8 }, (_, i) => Buffer.from(`rewritten ${i}`)))
    await follower.until('the rewrite is heard', () => follower.status('demo').state === 'stopped')
    const seen = follower.node.session.channel(id).log.core
    t.alike([seen.fork, seen.length], [0, before])
    t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '2')
    await follower.stop()
    await follower.start()
    t.is(follower.status('demo').release, 2, 'nor after a restart')
    t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '2')
  },
)

test(
  'follow: another log of the same key at the same length → the follower stops and serves what it has',
  MINUTE,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await publish(t, publisher, { aa: '1' })
    await publisher.stop()
    const aside = await scratchFolder(t)
    await backUp(publisher.home, aside)
    await publisher.start()
    await publish(t, publisher, { aa: '2' })
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(2)
    await follower.stop()
    await publisher.stop()
    await restore(publisher.home, aside, ['db', 'heads'])
    await publisher.start()
    await publish(t, publisher, { aa: '2', other: '1' }) // nobody is there to tell it that release 2 exists
    await publish(t, publisher, { aa: '3', other: '1' })
    await follower.start()
    await follower.until('the contradiction is noticed', () => follower.status('demo').state === 'stopped')
    t.is(follower.status('demo').trouble, 'EQUIVOCATION')
    t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '2', 'the release that it accepted is served')
    t.absent((await packagesAt(follower, 'demo')).includes('other'))
  },
)

test('follow: a follower restored to an older state → catches up to its newer head record', MINUTE, async (t) => {
  const { publisher, follower } = await followed(t)
  await follower.stop()
  const aside = await scratchFolder(t)
  await backUp(follower.home, aside)
  await follower.start()
  await publish(t, publisher, { aa: '2' })
  await follower.announced(2)
  await follower.stop()
  await restore(follower.home, aside, ['db'])
  await publisher.stop()
  await follower.start()
  t.is(follower.status('demo').release, 1, 'what its store has is served')
  t.is(follower.status('demo').state, 'current')
  await publisher.start()
  await follower.serves('demo', 2)
  t.is(versionIn(await packagesAt(follower, 'demo'), 'aa'), '2')
  await publish(t, publisher, { aa: '3' })
  await follower.serves('demo', 3)
})

test(
  'follow: a head record of another history → publisher and follower refuse, and serve what they have',
  MINUTE,
  async (t) => {
    const { publisher, follower } = await followed(t)
    const { key, log } = publisher.node.session.channel('demo')
    const { length, fork, signature } = log.head()
    for (const node of [publisher, follower]) {
      await node.stop()
      const { heads } = homeAt(node.home)
      await rm(heads, { recursive: true })
      const head = { length, fork, treeHash: Buffer.alloc(32, 7), signature, atMs: 1 }
      await (await HeadRecords.open(heads)).advance(key, head)
      await node.start()
      t.is(versionIn(await packagesAt(node, 'demo'), 'aa'), '1', 'served')
      await node.until('the difference is noticed', () => node.status('demo').state === 'stopped')
      t.is(node.status('demo').trouble, 'HISTORY_REWRITE')
    }
    t.is(await codeOf(publish(t, publisher, { aa: '2' })), 'HISTORY_REWRITE')
    t.is(publisher.node.session.channel('demo').log.length, length)
    t.is(publisher.status('demo').evidence, null, 'a hash that nobody signed is no evidence')
  },
)

test('follow: a damaged head record → the node does not start, with one error that names it', MINUTE, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node({ offline: true })
  await publisher.createChannel('demo')
  await publish(t, publisher, { aa: '1' })
  await publisher.stop()
  const { heads } = homeAt(publisher.home)
  const [name = ''] = await readdir(heads)
  await writeFile(join(heads, name), 'not a record')
  const error = await publisher.start().catch((reason: unknown) => reason)
  t.is(error instanceof FreshetError && error.code, 'STORE_FAILED')
  t.ok(String(error).includes(name))
})
