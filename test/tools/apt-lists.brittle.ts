/** What apt has on disk, written by the real apt where there is one, and folders made up to be wrong. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test from 'brittle'
import type { Assert } from 'brittle'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { importAptLists } from '../../tools/import/apt-lists.ts'
import { listName, mirrorsOf, signedByOf } from '../../tools/import/apt-sources.ts'
import { hash } from '../../tools/import/file-hash.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'
import { type SignedRepository, writeRepository } from '../helpers/signed-repository.ts'
import { staticServer } from '../helpers/static-server.ts'

const REAL_LISTS = '/var/lib/apt/lists'
const REAL_SUITE = 'bookworm'
const hasReal = existsSync(join(REAL_LISTS, `deb.debian.org_debian_dists_${REAL_SUITE}_InRelease`))
const skipApt = skipUnless('apt', 'dpkg') !== null
const FOO = { name: 'foo', version: '1:1.0-1', architecture: 'amd64', files: { a: 'b' } }
const BAR = { name: 'bar', version: '2.0', architecture: 'all' }
const ORIGIN = 'example.org_debian'

interface Lists {
  readonly repository: SignedRepository
  readonly lists: string
  readonly archives: string
  /** Path of the list file of `path` below dists/. */
  file(path: string): string
}

/** Folders as apt would have them after an update, with the plain Packages. */
async function madeUp(t: Assert, more: object = {}): Promise<Lists> {
  const root = await t.tmp()
  const repository = await writeRepository(join(root, 'repo'), { components: { main: [FOO, BAR] }, ...more })
  const [lists, archives] = [join(root, 'lists'), join(root, 'archives')]
  mkdirSync(lists)
  mkdirSync(archives)
  const file = (path: string) => join(lists, `${ORIGIN}_dists_test_${path.replaceAll('/', '_')}`)
  writeFileSync(file('InRelease'), readFileSync(join(repository.root, 'dists/test/InRelease')))
  for (const [path, bytes] of repository.indexes) writeFileSync(file(path), bytes)
  return { repository, lists, archives, file }
}

function run({ repository, lists, archives }: Lists, more: object = {}) {
  const folders = { listsDirectory: lists, archivesDirectory: archives }
  return importAptLists({ suite: 'test', keyring: [repository.keyring], ...folders, ...more })
}

test(
  'apt-lists: what the real apt has on this machine → verified lists and files of its cache',
  { skip: !hasReal },
  async (t) => {
    const draft = await importAptLists({ suite: REAL_SUITE, origin: 'deb.debian.org_debian' })
    t.ok(draft.indexes.some(({ path }) => /^main\/binary-\w+\/Packages$/.test(path)))
    t.ok(draft.inRelease.equals(readFileSync(join(REAL_LISTS, `deb.debian.org_debian_dists_${REAL_SUITE}_InRelease`))))
    t.comment(`${draft.indexes.length} indexes, ${draft.artifacts.length} files`)
    for (const { sourcePath, byteLength } of draft.artifacts) {
      if (statSync(sourcePath).size !== byteLength) t.fail(`${sourcePath} has another size`)
    }
    await draft.close()
  },
)

test(
  'apt-lists: after the real apt has updated and downloaded → the same indexes and files',
  { skip: skipApt },
  async (t) => {
    const root = await t.tmp()
    // A slash, an underscore and two components: what apt escapes in names of lists.
    const suite = 'stable/my_updates'
    const components = { main: [FOO, BAR], 'non-free': [{ name: 'baz', version: '1', architecture: 'amd64' }] }
    const repository = await writeRepository(join(root, 'a_b'), { suite, components })
    const { url } = await staticServer(t, root)
    const key = join(root, 'key.asc')
    writeFileSync(key, repository.keyring)
    const sources = [`deb ${url}/a_b ${suite} main non-free`]
    for (const settings of [[], ['Acquire::GzipIndexes "true";']]) {
      const apt = await scratchApt({ sources, keyrings: [key], architecture: 'amd64', settings })
      t.teardown(() => apt.remove())
      const update = await apt.update()
      t.is(update.exitCode, 0, update.output)
      const install = await apt.run('apt-get', ['-y', '--download-only', 'install', 'foo', 'bar'])
      t.is(install.exitCode, 0, install.output)
      const listsDirectory = join(apt.root, 'var/lib/apt/lists')
      const draft = await importAptLists({
        suite,
        keyring: [repository.keyring],
        listsDirectory,
        archivesDirectory: join(apt.root, 'var/cache/apt/archives'),
      })
      t.alike(draft.indexes.map(({ path }) => path).sort(), [...repository.indexes.keys()].sort())
      for (const { path, bytes } of draft.indexes)
        t.ok(bytes.equals(repository.indexes.get(path) ?? Buffer.alloc(0)), path)
      t.is(draft.artifacts.length, 2)
      for (const { sourcePath, digest } of draft.artifacts) t.is(hash(readFileSync(sourcePath)), digest)
    }
  },
)

test('apt-lists: plain, .gz, .xz and .lz4 lists → the same bytes', { skip: skipApt }, async (t) => {
  for (const suffix of ['', '.gz', '.xz', '.lz4']) {
    const lists = await madeUp(t)
    const plain = lists.file('main/binary-amd64/Packages')
    const bytes = readFileSync(plain)
    if (suffix !== '') {
      const tool = { '.gz': 'gzip', '.xz': 'xz', '.lz4': 'lz4' }[suffix] ?? ''
      writeFileSync(`${plain}${suffix}`, execFileSync(tool, ['-c'], { input: bytes }))
      execFileSync('rm', [plain])
    }
    const draft = await run(lists)
    t.alike(
      draft.indexes.map((index) => index.path),
      ['main/binary-amd64/Packages'],
      suffix,
    )
    t.ok(draft.indexes[0]?.bytes.equals(bytes), suffix)
  }
})

test('apt-lists: files of the cache → offered by name and size, never strictly', async (t) => {
  const lists = await madeUp(t)
  const deb = readFileSync(
    join(lists.repository.root, lists.repository.filenames.find((name) => name.includes('foo')) ?? ''),
  )
  t.is((await run(lists)).artifacts.length, 0, 'an empty cache')
  writeFileSync(join(lists.archives, 'foo_1%3a1.0-1_amd64.deb'), deb)
  writeFileSync(join(lists.archives, 'bar_2.0_all.deb'), 'of another size')
  writeFileSync(join(lists.archives, 'foo_1.0-1_amd64.deb'), deb)
  const { artifacts } = await run(lists)
  t.alike(artifacts, [
    {
      digest: hash(deb),
      byteLength: deb.length,
      sourcePath: join(lists.archives, 'foo_1%3a1.0-1_amd64.deb'),
      copy: false,
      strict: false,
    },
  ])
  t.is((await run(lists, { archivesDirectory: join(lists.archives, 'none') })).artifacts.length, 0, 'no cache')
})

test('apt-lists: lists that are wrong → refused, each with its code', async (t) => {
  const lists = await madeUp(t)
  const packages = lists.file('main/binary-amd64/Packages')
  const bytes = readFileSync(packages)
  const code = (more: object = {}) => codeOf(run(lists, more))
  t.is(await code(), 'accepted')
  t.is(await code({ suite: 'other' }), 'INDEX_MISSING', 'a suite that apt does not have')
  t.is(await code({ origin: 'example.com_debian' }), 'INDEX_MISSING', 'an origin that apt does not have')
  t.is(await code({ listsDirectory: join(lists.lists, 'none') }), 'SOURCE_UNAVAILABLE', 'no such folder')
  writeFileSync(packages, bytes.toString().replace('foo', 'fop'))
  t.is(await code(), 'INDEX_MISMATCH', 'a letter')
  writeFileSync(packages, bytes.subarray(0, -1))
  t.is(await code(), 'INDEX_MISMATCH', 'a byte less')
  writeFileSync(packages, Buffer.alloc(bytes.length + 100_000, ' '))
  t.is(await code(), 'INDEX_MISMATCH', 'much longer')
  execFileSync('rm', [packages])
  t.is(await code(), 'INDEX_MISSING', 'no Packages at all')
  writeFileSync(`${packages}.gz`, gzipSync(Buffer.alloc(5_000_000)))
  t.is(await code(), 'INDEX_MISMATCH', 'a bomb')
  writeFileSync(`${packages}.gz`, 'no gzip')
  t.is(await code(), 'SOURCE_UNAVAILABLE', 'not of its format')
  writeFileSync(`${packages}.gz`, gzipSync(bytes))
  t.is(await code(), 'accepted')
  const stranger = await madeUp(t)
  t.is(await code({ keyring: [stranger.repository.keyring] }), 'SIGNATURE_UNKNOWN', 'another keyring')
  const inRelease = readFileSync(lists.file('InRelease'), 'latin1')
  writeFileSync(lists.file('InRelease'), inRelease.replace('Label: Test', 'Label: Text'))
  t.is(await code(), 'SIGNATURE_BAD', 'an altered InRelease')
  writeFileSync(lists.file('InRelease'), Buffer.alloc(3_000_000, '\n'))
  t.is(await code(), 'RELEASE_MALFORMED', 'a huge InRelease')
})

test('apt-lists: a Release that has expired → refused unless allowed', async (t) => {
  const lists = await madeUp(t, { validUntil: Date.now() - 86_400_000 })
  t.is(await codeOf(run(lists)), 'RELEASE_EXPIRED')
  t.is(await codeOf(run(lists, { allowExpired: true })), 'accepted')
})

test('apt-lists: one suite from two hosts → asked which, and the one that is named is taken', async (t) => {
  const lists = await madeUp(t)
  const other = 'mirror.example.com_debian'
  for (const name of readdirSync(lists.lists)) {
    writeFileSync(join(lists.lists, name.replace(ORIGIN, other)), readFileSync(join(lists.lists, name)))
  }
  t.is(await codeOf(run(lists)), 'USAGE')
  await t.exception(run(lists), /example\.org_debian and mirror\.example\.com_debian/)
  t.is((await run(lists, { origin: other })).indexes.length, 1)
  t.is((await run(lists, { origin: 'https://example.org/debian/' })).indexes.length, 1, 'a URL will do')
})

test('apt-sources: Signed-By of both formats → the keyring of that suite and origin only', async (t) => {
  const directory = await t.tmp()
  mkdirSync(join(directory, 'sources.list.d'))
  const { repository } = await madeUp(t)
  const path = join(directory, 'ring.asc')
  writeFileSync(path, repository.keyring)
  const inline = repository.keyring
    .toString()
    .trim()
    .split('\n')
    .map((line) => ` ${line === '' ? '.' : line}`)
    .join('\n')
  writeFileSync(
    join(directory, 'sources.list'),
    [
      '# deb [signed-by=/none] http://old.example.org/debian test main',
      `deb [arch=amd64 signed-by=${path}] http://user:pw@old.example.org:8080/a_b/ test main contrib`,
      'deb http://bare.example.org/debian test main',
      '',
    ].join('\n'),
  )
  writeFileSync(
    join(directory, 'sources.list.d/new.sources'),
    [
      '# a comment',
      'Types: deb deb-src',
      '# another',
      'URIs: http://new.example.org/debian',
      'Suites: test test-updates',
      'Components: main',
      'Signed-By:',
      inline,
      '',
      'Types: deb',
      'URIs: http://lost.example.org/debian',
      'Suites: test',
      'Components: main',
      'Signed-By: /none/ring.gpg',
      '',
    ].join('\n'),
  )
  const find = (origin: string, suite: string) => signedByOf(origin, suite, directory)
  t.ok((await find(listName('http://old.example.org:8080/a_b'), 'test'))?.[0]?.equals(repository.keyring))
  t.is(await find('old.example.org_debian', 'test'), null, 'a comment')
  t.is(await find('bare.example.org_debian', 'test'), null, 'an entry without')
  t.is((await find('new.example.org_debian', 'test-updates'))?.length, 1, 'a key in place')
  t.is(await find('new.example.org_debian', 'other'), null, 'another suite')
  t.is(await codeOf(find('lost.example.org_debian', 'test')), 'SOURCE_UNAVAILABLE', 'a keyring that is not there')
  const key = await find('new.example.org_debian', 'test')
  const lists = await madeUp(t, { key: repository.key })
  t.is(await codeOf(run(lists, { keyring: key })), 'accepted', 'the key in place verifies')
})

test('apt-sources: the URIs of a list → mirrors, as far as they are http(s) and have no password', async (t) => {
  const directory = await t.tmp()
  mkdirSync(join(directory, 'sources.list.d'))
  writeFileSync(
    join(directory, 'sources.list'),
    [
      'deb [arch=amd64] http://deb.example.org/debian/ test main',
      'deb https://deb.example.org/debian test contrib',
      'deb http://user:secret@deb.example.org/debian test main',
      'deb file:/srv/debian test main',
      'deb http://deb.example.org/debian other main',
      '',
    ].join('\n'),
  )
  const find = (origin: string, suite = 'test') => mirrorsOf(origin, suite, directory)
  t.alike(await find('deb.example.org_debian'), ['http://deb.example.org/debian', 'https://deb.example.org/debian'])
  t.alike(await find('deb.example.org_debian', 'none'), [])
  t.alike(await find(listName('file:/srv/debian')), [])
})
