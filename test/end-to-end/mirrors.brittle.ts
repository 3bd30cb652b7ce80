/** HTTP mirrors from the log to apt: named by the publisher or here, asked when no peer has the bytes, and never believed. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { PIECE_BYTES } from '../../schemas/limits.ts'
import { digestHex } from '../../schemas/units.ts'
import { hash } from '../../tools/import/file-hash.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { runCommand, jsonOf } from '../helpers/command-line.ts'
import { httpConnection } from '../helpers/http-connection.ts'
import { type MirrorServer, mirrorServer } from '../helpers/mirror-server.ts'
import { privateNetwork, scratchFolder, type TestNetwork, type TestNode } from '../helpers/network.ts'
import { fixture } from '../helpers/pool-fixtures.ts'
import { codeOf } from '../helpers/refusal.ts'
import { type SignedRepository, writeRepository } from '../helpers/signed-repository.ts'

const LONG = { timeout: 180_000 }

interface Mirrors {
  readonly channel: string
  readonly mirrors: readonly string[]
  readonly local: readonly string[]
}

interface Repository extends SignedRepository {
  /** Of the small package, and of one with several pieces. */
  readonly small: string
  readonly large: string
  /** All its files, as a mirror has them. */
  readonly files: Readonly<Record<string, Buffer>>
}

async function repositoryIn(t: Assert): Promise<Repository> {
  const files = { 'usr/share/g++/data': fixture(3 * PIECE_BYTES, 1).bytes }
  const repository = await writeRepository(await scratchFolder(t), {
    components: {
      main: [
        { name: 'aa', version: '1:1.0+git~2', architecture: 'amd64' },
        { name: 'g++', version: '12', architecture: 'amd64', files },
      ],
    },
  })
  const names = [
    ...repository.filenames,
    ...['InRelease', 'main/binary-amd64/Packages.gz', 'main/binary-amd64/Packages'].map((name) => `dists/test/${name}`),
  ]
  const contents = await Promise.all(names.map((name) => readFile(join(repository.root, name))))
  const [small = '', large = ''] = ['aa_', 'g++_'].map((start) =>
    repository.filenames.find((name) => name.split('/').at(-1)?.startsWith(start)),
  )
  return {
    ...repository,
    small,
    large,
    files: Object.fromEntries(names.map((name, i) => [name, contents[i] as Buffer])),
  }
}

async function importInto(t: Assert, node: TestNode, { root, keyring }: Repository, source: object): Promise<unknown> {
  const ring = join(await scratchFolder(t), 'ring.asc')
  await writeFile(ring, keyring)
  const shared = { kind: 'apt-repo', location: root, suite: 'test', keyrings: [ring] }
  const { noMirror = false, ...rest } = source as { noMirror?: boolean }
  return node.call('import', { channel: 'demo', source: { ...shared, ...rest }, noMirror })
}

/** A publisher that has no bytes of packages, and a follower. */
async function followed(
  t: Assert,
  repository: Repository,
  mirrors: readonly MirrorServer[],
): Promise<{ network: TestNetwork; publisher: TestNode; follower: TestNode }> {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await importInto(t, publisher, repository, { metadataOnly: true })
  if (mirrors.length > 0) await publisher.call('mirror.add', { channel: 'demo', urls: mirrors.map(({ url }) => url) })
  const follower = await network.node()
  await follower.call('follow', { id, name: 'demo' })
  await follower.serves('demo', 1)
  await follower.until('its mirrors are known', () => named(follower).length === mirrors.length)
  return { network, publisher, follower }
}

function named(node: TestNode): readonly string[] {
  return node.node.session.channel('demo').mirrors
}

function shaOf(bytes: Buffer | undefined): string {
  return digestHex(Buffer.from(hash(bytes ?? Buffer.alloc(0)), 'hex'))
}

test('mirrors: no peer has the bytes → apt gets them from the mirror that the log names', LONG, async (t) => {
  const repository = await repositoryIn(t)
  const mirror = await mirrorServer(t, repository.files)
  const { publisher, follower } = await followed(t, repository, [mirror])
  t.alike(named(publisher), [mirror.url])
  const get = httpConnection(t)
  for (const path of [repository.small, repository.large]) {
    const { status, body } = await get(`${follower.gateway}/demo/${path}`)
    t.is(status, 200, path)
    t.ok(body.equals(repository.files[path] as Buffer))
  }
  t.alike(new Set(mirror.requests.map(({ path }) => path)), new Set([repository.small, repository.large]))
  const [status] = follower.node.status().mirrors
  t.is(status?.url, mirror.url)
  t.ok((status?.bytesPerSecond ?? 0) > 0)
  t.alike([status?.trouble, status?.wrong, status?.pausedUntil], [null, [], null])

  mirror.requests.length = 0
  const { body } = await get(`${publisher.gateway}/demo/${repository.large}`)
  t.ok(body.equals(repository.files[repository.large] as Buffer), 'the publisher gets them, too')
})

test('mirrors: one lies → it is named in status and log, and the file comes from the other', LONG, async (t) => {
  const repository = await repositoryIn(t)
  const lies = Object.entries(repository.files).map(([name, bytes]) => [name, Buffer.alloc(bytes.byteLength, 'x')])
  const liar = await mirrorServer(t, Object.fromEntries(lies) as Record<string, Buffer>)
  const honest = await mirrorServer(t, repository.files)
  const { follower } = await followed(t, repository, [honest])
  await follower.call('mirror.add', { channel: 'demo', urls: [liar.url], local: true }) // those of this node go first
  const get = httpConnection(t)
  const { small, large } = repository
  const wrong = (): readonly string[] => follower.node.status().mirrors.find(({ url }) => url === liar.url)?.wrong ?? []

  // It has several pieces, and nobody knows their hashes: it is checked as a whole, and comes from one mirror at a time.
  t.ok((await get(`${follower.gateway}/demo/${large}`)).body.equals(repository.files[large] as Buffer))
  t.alike(wrong(), [shaOf(repository.files[large])])
  t.ok(follower.warnings.some((text) => text.includes(liar.url) && text.includes('PIECE_MISMATCH')))
  t.is(follower.node.status().mirrors.find(({ url }) => url === liar.url)?.trouble, 'PIECE_MISMATCH')

  const asked = liar.requests.length
  honest.files.delete(small)
  t.not((await get(`${follower.gateway}/demo/${small}`)).status, 200, 'from the liar alone nothing passes')
  t.alike(
    wrong(),
    [large, small].map((name) => shaOf(repository.files[name])),
  )
  t.is(liar.requests.length, asked + 1, 'which is asked once for each file')
  honest.files.set(small, repository.files[small] as Buffer)
  t.ok((await get(`${follower.gateway}/demo/${small}`)).body.equals(repository.files[small] as Buffer))
  t.is(liar.requests.length, asked + 1, 'and not again')
})

test(
  'mirrors: piece hashes are signed, and the peer that had them is gone → the file all the same',
  LONG,
  async (t) => {
    const repository = await repositoryIn(t)
    const mirror = await mirrorServer(t, repository.files)
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await importInto(t, publisher, repository, {})
    await publisher.call('mirror.add', { channel: 'demo', urls: [mirror.url] })
    const follower = await network.node()
    await follower.call('follow', { id, name: 'demo' })
    await follower.serves('demo', 1)
    await follower.until('its mirrors are known', () => named(follower).length === 1)
    await publisher.stop()
    const { body } = await httpConnection(t)(`${follower.gateway}/demo/${repository.large}`)
    t.ok(body.equals(repository.files[repository.large] as Buffer))
  },
)

test('mirrors: a peer has the hashes and the bytes, and mirrors lie → from the peer', LONG, async (t) => {
  const repository = await repositoryIn(t)
  const lies = Object.entries(repository.files).map(([name, bytes]) => [name, Buffer.alloc(bytes.byteLength, 'x')])
  const liar = await mirrorServer(t, Object.fromEntries(lies) as Record<string, Buffer>)
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await importInto(t, publisher, repository, {})
  await publisher.call('mirror.add', { channel: 'demo', urls: [liar.url] })
  const follower = await network.node()
  await follower.call('follow', { id, name: 'demo' })
  await follower.serves('demo', 1)
  const { body } = await httpConnection(t)(`${follower.gateway}/demo/${repository.large}`)
  t.ok(body.equals(repository.files[repository.large] as Buffer))
})

test(
  'mirrors: the one peer trickles → the mirror is asked as well, and no request to the gateway fails',
  LONG,
  async (t) => {
    const repository = await repositoryIn(t)
    const mirror = await mirrorServer(t, repository.files)
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    await importInto(t, publisher, repository, {})
    await publisher.call('mirror.add', { channel: 'demo', urls: [mirror.url] })
    await publisher.call('config.set', { name: 'upload-cap', value: '10K' })
    const follower = await network.node()
    await follower.call('follow', { id, name: 'demo' })
    await follower.serves('demo', 1)
    await follower.until('its mirrors are known', () => named(follower).length === 1)
    const get = httpConnection(t)
    for (const path of [repository.large, repository.small]) {
      const { status, body } = await get(`${follower.gateway}/demo/${path}`)
      t.is(status, 200, path)
      t.ok(body.equals(repository.files[path] as Buffer))
    }
    t.ok(mirror.requests.length > 0)
  },
)

test('mirrors: a wish that a stopped daemon left → taken up with its path, from the mirror', LONG, async (t) => {
  const repository = await repositoryIn(t)
  const mirror = await mirrorServer(t, repository.files)
  const { follower } = await followed(t, repository, [mirror])
  mirror.misbehave = () => true // says nothing
  const waiting = fetch(`${follower.gateway}/demo/${repository.small}`).catch(() => null)
  await follower.until('the mirror is asked', () => mirror.requests.length > 0)
  await follower.stop()
  await waiting
  mirror.misbehave = null
  await follower.start()
  const digest = digestHex(Buffer.from(shaOf(repository.files[repository.small]), 'hex'))
  await follower.until('it is here', () => follower.node.session.pool.held(digest) !== null)
  t.pass('fetched')
})

test(
  'mirrors: an import from a URL → named with the first release, and only then; not from a folder',
  LONG,
  async (t) => {
    const repository = await repositoryIn(t)
    const mirror = await mirrorServer(t, repository.files)
    const network = await privateNetwork(t)
    const importing = async (source: object): Promise<{ node: TestNode; mirrors: readonly string[] }> => {
      const node = await network.node({ offline: true })
      await node.createChannel('demo')
      const { mirrors } = (await importInto(t, node, repository, source)) as Mirrors
      t.alike(mirrors, named(node), 'the result says so')
      return { node, mirrors }
    }
    const { node, mirrors } = await importing({ location: `${mirror.url}/` })
    t.alike(mirrors, [mirror.url])
    await node.call('mirror.remove', { channel: 'demo', urls: [mirror.url] })
    const again = (await importInto(t, node, repository, { location: mirror.url })) as Mirrors
    t.alike([again.mirrors, named(node)], [[], []], 'once removed it stays away')
    t.alike((await importing({ location: mirror.url, noMirror: true })).mirrors, [])
    t.alike((await importing({})).mirrors, [])
    t.alike((await importing({ location: `file://${repository.root}` })).mirrors, [])
  },
)

test(
  'mirrors: local ones → kept over a restart, for this node alone; the channel’s only by its owner',
  LONG,
  async (t) => {
    const repository = await repositoryIn(t)
    const mirror = await mirrorServer(t, repository.files)
    const { publisher, follower } = await followed(t, repository, [mirror])
    const change = (node: TestNode, how: 'add' | 'remove', url: string, local = false): Promise<Mirrors> =>
      node.call<Mirrors>(`mirror.${how}`, { channel: 'demo', urls: [url], local })
    const mine = 'http://192.168.0.2/debian'
    t.alike(await change(follower, 'add', `${mine}/`, true), { channel: 'demo', mirrors: [mirror.url], local: [mine] })
    await follower.stop()
    await follower.start()
    t.alike(await follower.call('mirror.list', { channel: 'demo' }), {
      channel: 'demo',
      mirrors: [mirror.url],
      local: [mine],
    })
    t.alike(await publisher.call('mirror.list', { channel: 'demo' }), {
      channel: 'demo',
      mirrors: [mirror.url],
      local: [],
    })
    t.alike((await change(follower, 'remove', mine, true)).local, [])

    const { length } = publisher.node.session.channel('demo').log
    t.is(await codeOf(change(follower, 'add', mine)), 'CHANNEL_READ_ONLY')
    t.is(await codeOf(change(publisher, 'add', 'ftp://host/debian')), 'MIRROR_INVALID')
    t.is(await codeOf(change(publisher, 'add', 'http://user:secret@host/')), 'MIRROR_INVALID')
    t.is(await codeOf(change(follower, 'add', 'file:///srv', true)), 'MIRROR_INVALID')
    t.is(await codeOf(change(publisher, 'remove', 'http://unknown')), 'MIRROR_UNKNOWN')
    const many = Array.from({ length: 64 }, (_, i) => `http://host${i}`)
    t.is(await codeOf(publisher.call('mirror.add', { channel: 'demo', urls: many })), 'MIRRORS_FULL')
    t.is(await codeOf(publisher.call('mirror.add', { channel: 'demo', urls: [] })), 'USAGE')
    await change(publisher, 'add', `${mirror.url}/`)
    t.is(
      publisher.node.session.channel('demo').log.length,
      length,
      'what changes nothing, or is refused, writes nothing',
    )
  },
)

test('mirrors: on the command line → JSON, and a line for people', LONG, async (t) => {
  const home = await scratchFolder(t)
  const debs = await scratchFolder(t)
  await buildDeb(debs, { name: 'aa', version: '1', architecture: 'amd64' })
  await jsonOf('channel', 'create', 'demo', '--home', home)
  const [one, two] = ['http://one.example/debian', 'https://two.example']
  const early = await runCommand('mirror', 'add', 'demo', one, '--home', home)
  t.alike([early.exitCode, early.stderr.split(':')[1]?.trim()], [1, 'NO_RELEASE'])
  await jsonOf('import', 'demo', '--deb-dir', debs, '--home', home)
  const added = await jsonOf('mirror', 'add', 'demo', `${one}/`, two, '--home', home)
  t.alike(added, { channel: 'demo', mirrors: [one, two], local: [] })
  const local = await runCommand('mirror', 'add', 'demo', 'http://three', '--local', '--home', home)
  t.alike([local.exitCode, local.stdout], [0, `${one}\n${two}\nhttp://three  this node only\n`])
  const removed = await jsonOf('mirror', 'remove', 'demo', two, '--home', home)
  t.alike(removed, { channel: 'demo', mirrors: [one], local: ['http://three'] })
  t.alike(await jsonOf('mirror', 'list', 'demo', '--home', home), removed)
  const bad = await runCommand('mirror', 'add', 'demo', '/srv/mirror', '--home', home)
  t.alike([bad.exitCode, bad.stderr.split(':')[1]?.trim()], [1, 'MIRROR_INVALID'])
  const report = await jsonOf<{ ok: boolean; failures: unknown[] }>('audit', 'demo', '--home', home)
  t.alike([report.ok, report.failures], [true, []])
})
