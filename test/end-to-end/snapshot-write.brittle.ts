/** `snapshot --write`: the tree is what the gateway serves, byte for byte, apt uses it, and it is whole or not taken for whole. */
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { SnapshotWriteProgress, WrittenSnapshot } from '../../actors/ports/write-snapshot.ts'
import { homeAt } from '../../store/home.ts'
import { buildDeb, type DebDescription } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { createSigningKey } from '../../tools/import/openpgp.ts'
import { jsonOf, runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'
import { writeRepository } from '../helpers/signed-repository.ts'

const LONG = { timeout: 180_000 }
const INDEX = 'dists/demo/main/binary-amd64'
const noApt = skipUnless('apt')

async function publish(t: Assert, publisher: TestNode, packages: readonly DebDescription[]): Promise<void> {
  const directory = await scratchFolder(t)
  for (const deb of packages) await buildDeb(directory, deb)
  await publisher.importDebs('demo', directory)
}

const deb = (name: string, version: string, architecture = 'amd64'): DebDescription => {
  return { name, version, architecture, files: { [`usr/share/${name}`]: `${name} ${version}` } }
}

/** aa changes, bb stays, cc goes, all of them small; tagged. */
async function twoReleases(t: Assert) {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publish(t, publisher, [deb('aa', '1'), deb('bb', '1', 'all'), deb('cc', '1')])
  await publish(t, publisher, [deb('aa', '2'), deb('bb', '1', 'all')])
  await publisher.call('tag', { channel: 'demo', when: '1', tag: 'first' })
  return { network, publisher, id }
}

function write(node: TestNode, directory: string, when: string | null, more: object = {}): Promise<WrittenSnapshot> {
  return node.call<WrittenSnapshot>('snapshot.write', { channel: 'demo', when, directory, ...more })
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.freshet-snapshot'))
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted()
}

/** Every file of the tree must be what the gateway answers. @returns their names, without the hashes. */
async function sameAsGateway(t: Assert, node: TestNode, view: string, directory: string): Promise<string[]> {
  const files = await filesIn(directory)
  for (const file of files) {
    const response = await fetch(`${node.gateway}/${view}/${file}`)
    const served = Buffer.from(await response.arrayBuffer())
    if (!served.equals(await readFile(join(directory, file)))) t.fail(`${file} is not what the gateway serves`)
  }
  return files.map((file) => file.replace(/[0-9a-f]{64}/, 'HEX'))
}

const poolFiles = (files: readonly string[]): string[] =>
  files.filter((file) => file.startsWith('pool/')).map((file) => basename(file))

test('snapshot write: a follower that has nothing → fetches all, byte for byte as its gateway', LONG, async (t) => {
  const { network, id } = await twoReleases(t)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(2)
  const folder = await scratchFolder(t)
  const first = await write(follower, join(folder, 'first'), 'first')
  t.alike(
    [first.release, first.complete, first.indexes, first.files, first.copied, first.linked, first.kept],
    [1, true, 1, 3, 3, 0, 0],
  )
  t.alike([first.missing, first.missingCount, first.suite], [[], 0, 'demo'])
  const files = await sameAsGateway(t, follower, 'demo@first', join(folder, 'first'))
  t.alike(
    files.filter((file) => !file.startsWith('pool/')),
    [`${INDEX}/Packages`, `${INDEX}/by-hash/SHA256/HEX`, 'dists/demo/InRelease'].toSorted(),
  )
  t.alike(poolFiles(files), ['aa_1_amd64.deb', 'bb_1_all.deb', 'cc_1_amd64.deb'])
  const [one, other] = [join(folder, 'first', INDEX, 'Packages'), join(folder, 'first', INDEX, 'by-hash/SHA256')]
  t.is((await stat(one)).ino, (await stat(join(other, (await readdir(other))[0] ?? ''))).ino, 'one file, two names')
  const sizes = await Promise.all(
    (await filesIn(join(folder, 'first', 'pool'))).map((file) => stat(join(folder, 'first', 'pool', file))),
  )
  t.is(
    first.bytes,
    sizes.reduce((sum, { size }) => sum + size, 0),
  )

  const again = await write(follower, join(folder, 'first'), '1')
  t.alike([again.complete, again.kept, again.copied], [true, 3, 0], 'again: nothing is written twice')
  const cc = join(
    folder,
    'first',
    'pool',
    (await filesIn(join(folder, 'first', 'pool'))).find((file) => file.includes('cc_')) ?? '',
  )
  const { size } = await stat(cc)
  await chmod(cc, 0o644)
  await writeFile(cc, Buffer.alloc(size))
  const mended = await write(follower, join(folder, 'first'), '1')
  t.alike([mended.kept, mended.copied], [2, 1], 'damaged, of the same size: written anew')

  const updated = await write(follower, join(folder, 'first'), null)
  t.alike([updated.release, updated.kept, updated.copied], [2, 1, 1], 'the next release over it')
  for (const path of ['dists/demo/InRelease', `${INDEX}/Packages`]) {
    const served = await (await fetch(`${follower.gateway}/demo/${path}`)).text()
    t.is(await readFile(join(folder, 'first', path), 'utf8'), served, path)
  }
  t.ok(poolFiles(await filesIn(join(folder, 'first'))).includes('cc_1_amd64.deb'), 'what the older one had stays')

  const bare = await write(follower, join(folder, 'bare'), '1', { metadataOnly: true })
  t.alike([bare.complete, bare.indexes, bare.files], [true, 1, 0], 'metadata only')
  t.alike(poolFiles(await sameAsGateway(t, follower, 'demo@1', join(folder, 'bare'))), [])
  await writeFile(join(folder, 'letter'), 'dear')
  t.is(await codeOf(write(follower, folder, '1')), 'SNAPSHOT_FOREIGN')
  t.is(await codeOf(write(follower, 'relative', '1')), 'USAGE')
  t.is(await codeOf(write(follower, join(folder, 'none'), '7')), 'RELEASE_UNKNOWN')
})

test(
  'snapshot write: files that nobody has → all others, no InRelease; resumed when they can be had',
  LONG,
  async (t) => {
    const { network, publisher, id } = await twoReleases(t)
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.announced(2)
    const directory = join(await scratchFolder(t), 'tree')
    await write(follower, directory, '1')
    const before = await readFile(join(directory, 'dists/demo/InRelease'))
    await publish(t, publisher, [deb('aa', '3'), deb('bb', '1', 'all'), deb('dd', '1')])
    await follower.announced(3)
    await follower.call('fetch', { channel: 'demo', packages: ['dd'] })
    await publisher.stop()
    const partly = await write(follower, directory, null)
    t.alike([partly.complete, partly.indexes, partly.files, partly.missingCount], [false, 0, 2, 1])
    t.alike(
      partly.missing.map(({ path, code }) => [basename(path), code]),
      [['aa_3_amd64.deb', 'ARTIFACT_UNAVAILABLE']],
    )
    t.ok(poolFiles(await filesIn(directory)).includes('dd_1_amd64.deb'), 'what could be had is there')
    t.ok((await readFile(join(directory, 'dists/demo/InRelease'))).equals(before), 'the earlier release is still whole')
    const marker = JSON.parse(await readFile(join(directory, '.freshet-snapshot'), 'utf8')) as { complete: boolean }
    t.is(marker.complete, false)
    const without = await write(follower, join(directory, '../without'), null, { allowMissing: true })
    t.alike([without.complete, without.files, without.missingCount], [true, 2, 1], 'or all but those, when allowed')
    t.ok((await filesIn(join(directory, '../without'))).includes('dists/demo/InRelease'))
    await publisher.start()
    const whole = await write(follower, directory, null)
    t.alike([whole.complete, whole.kept, whole.copied, whole.missingCount], [true, 2, 1, 0])
    await publisher.stop()
    t.is((await write(follower, directory, '3')).complete, true)
  },
)

test('snapshot write: interrupted → nothing half-named, no InRelease; run again → the rest', LONG, async (t) => {
  const { publisher } = await twoReleases(t)
  const directory = join(await scratchFolder(t), 'tree')
  const order = { channel: 'demo', directory, metadataOnly: false, link: false, allowMissing: false }
  const whole = { ...order, when: { kind: 'number', number: 1 } } as const
  const stop = new AbortController()
  const progress: SnapshotWriteProgress[] = []
  const interrupted = publisher.node.writeSnapshot(whole, stop.signal, (update) => {
    progress.push(update)
    stop.abort()
  })
  t.is(await codeOf(interrupted), 'INTERRUPTED')
  const placed = await filesIn(join(directory, 'pool'))
  const sizes = await Promise.all(placed.map(async (file) => (await stat(join(directory, 'pool', file))).size))
  const { phase, done, total, bytes } = progress[0] ?? { phase: '', done: 0, total: 0, bytes: 0 }
  t.alike([phase, done, total], ['snapshot', 1, 3], 'progress in files')
  t.ok(sizes.includes(bytes), 'and in bytes')
  t.absent(
    (await filesIn(directory)).some((file) => !file.startsWith('pool/')),
    'packages only',
  )
  t.alike((await readdir(directory)).toSorted(), ['.freshet-snapshot', 'pool'])
  const again = await publisher.node.writeSnapshot(whole, new AbortController().signal)
  t.alike([again.complete, again.files], [true, 3])
  await sameAsGateway(t, publisher, 'demo@1', directory)
})

test('snapshot write: --link → the pool and the tree share files, adopted ones are copied', LONG, async (t) => {
  const { publisher } = await twoReleases(t)
  const folder = await scratchFolder(t)
  const linked = await write(publisher, join(folder, 'linked'), '1', { link: true })
  t.alike([linked.complete, linked.linked, linked.copied], [true, 3, 0])
  const [file = ''] = await filesIn(join(folder, 'linked', 'pool'))
  const stats = await stat(join(folder, 'linked', 'pool', file))
  t.alike([stats.nlink, stats.mode & 0o777], [2, 0o444])
  await rm(join(folder, 'linked'), { recursive: true })
  await write(publisher, join(folder, 'again'), '1')
  t.is((await stat(join(folder, 'again', 'pool', file))).nlink, 1, 'a copy without it')

  const key = await createSigningKey('test')
  const repository = await writeRepository(await scratchFolder(t), { key, components: { main: [deb('aa', '9')] } })
  const keyring = join(folder, 'key.asc')
  await writeFile(keyring, key.publicKey)
  await publisher.createChannel('other')
  const source = { kind: 'apt-repo', location: repository.root, suite: 'test', keyrings: [keyring] }
  await publisher.call('import', { channel: 'other', source })
  const args = { channel: 'other', when: null, directory: join(folder, 'other'), link: true }
  const adopted = await publisher.call<WrittenSnapshot>('snapshot.write', args)
  t.alike([adopted.linked, adopted.copied], [0, 1], "a mirror's file is the mirror's")
  const names = await filesIn(join(folder, 'other'))
  t.absent(
    names.some((name) => name.includes('by-hash')),
    'no by-hash where the InRelease does not say so',
  )
  t.ok(names.includes('dists/test/main/binary-amd64/Packages'))
})

test('snapshot write: the pool has lost or damaged a file → fetched again', LONG, async (t) => {
  const { network, id } = await twoReleases(t)
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(2)
  const { files } = await follower.call<{ files: { path: string; size: number }[] }>('fetch', {
    channel: 'demo',
    packages: ['aa'],
  })
  await writeFile(files[0]?.path ?? '', Buffer.alloc(files[0]?.size ?? 0))
  const directory = join(await scratchFolder(t), 'tree')
  const written = await write(follower, directory, null, { link: true })
  t.alike([written.complete, written.linked], [true, 2])
  await sameAsGateway(t, follower, 'demo', directory)
})

test('snapshot write: apt reads the tree from file: and copy: → update and download', LONG, async (t) => {
  if (noApt !== null) return t.comment(noApt)
  const { publisher } = await twoReleases(t)
  const folder = await scratchFolder(t)
  const { key } = await publisher.call<{ key: string }>('channel.key', { name: 'demo' })
  await writeFile(join(folder, 'demo.asc'), key)
  await write(publisher, join(folder, 'tree'), '1')
  await write(publisher, join(folder, 'tree-2'), '2', { link: true })
  for (const [method, tree, version] of [
    ['file', 'tree', '1'],
    ['copy', 'tree', '1'],
    ['file', 'tree-2', '2'],
  ] as const) {
    const apt = await scratchApt({
      sources: [`deb [signed-by=${join(folder, 'demo.asc')}] ${method}:${join(folder, tree)} demo main`],
      architecture: 'amd64',
    })
    t.teardown(() => apt.remove())
    const update = await apt.update()
    t.is(update.exitCode, 0, update.exitCode === 0 ? `${method}: updated` : update.output)
    t.is((await apt.policy(['aa']))[0]?.candidate, version)
    const install = await apt.run('apt-get', ['-y', '--download-only', 'install', 'aa', 'bb'])
    t.is(install.exitCode, 0, install.exitCode === 0 ? `${method}: downloaded` : install.output)
    const download = await apt.download(['aa'])
    t.is(download.exitCode, 0, download.output)
  }
})

test('snapshot write: on the command line → JSON, exit codes, resumed', LONG, async (t) => {
  const home = await scratchFolder(t)
  const debs = await scratchFolder(t)
  const network = await privateNetwork(t)
  const at = ['--home', home, '--bootstrap', network.address]
  for (const name of ['aa', 'bb']) await buildDeb(debs, deb(name, '1'))
  await jsonOf('channel', 'create', 'demo', '--home', home)
  await jsonOf('import', 'demo', '--deb-dir', debs, '--home', home)
  const tree = join(await scratchFolder(t), 'tree')
  const pool = join(await scratchFolder(t), 'pool')
  await mkdir(pool)
  await cp(homeAt(home).pool, pool, { recursive: true })
  for (const name of await readdir(homeAt(home).pool)) {
    if (/^[0-9a-f]{2}$/.test(name)) await rm(join(homeAt(home).pool, name), { recursive: true })
  }
  const failed = await runCommand('snapshot', 'demo', '--write', tree, ...at, '--json')
  t.is(failed.exitCode, 1, failed.stderr)
  const { missing, complete } = JSON.parse(failed.stdout) as WrittenSnapshot
  t.alike([missing.length, complete], [2, false])
  t.is((JSON.parse(failed.stderr) as { error: { code: string } }).error.code, 'SNAPSHOT_INCOMPLETE')
  await cp(pool, homeAt(home).pool, { recursive: true })
  const done = await runCommand('snapshot', 'demo@1', '--write', tree, ...at)
  t.alike(
    [done.exitCode, done.stdout],
    [0, `demo #1 in ${tree}: 1 indexes, 2 packages (${/\((.*)\)/.exec(done.stdout)?.[1]})\n`],
    done.stderr,
  )
  const wrong = await runCommand('snapshot', 'demo', '--link', ...at)
  t.is(wrong.exitCode, 2)
})
