/** What an import or a request must not be able to do: each gets one clear error with its code, and changes nothing. */
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import test, { type Assert } from 'brittle'
import { FreshetError } from '../../schemas/errors.ts'
import { homeAt } from '../../store/home.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { createSigningKey } from '../../tools/import/openpgp.ts'
import { collect } from '../helpers/channel.ts'
import { gpgHome } from '../helpers/gpg-home.ts'
import { rawGet } from '../helpers/http-connection.ts'
import { privateNetwork, scratchFolder, type SnapshotView, type TestNode } from '../helpers/network.ts'
import { skipUnless } from '../helpers/requires.ts'
import { type RepositoryDescription, type SignedRepository, writeRepository } from '../helpers/signed-repository.ts'

const MINUTE = { timeout: 60_000 }
const skipGpg = skipUnless('gpg')
const FOO = { name: 'foo', version: '1.0', architecture: 'amd64', files: { 'usr/share/foo': 'f'.repeat(3000) } }
const BAR = { name: 'bar', version: '2.0', architecture: 'amd64', files: { 'usr/share/bar': 'b'.repeat(400_000) } }
const BAZ = { name: 'baz', version: '3.0', architecture: 'amd64', files: { 'usr/share/baz': 'z'.repeat(3000) } }

interface Publisher {
  readonly node: TestNode
  /** An import of `repository`, or of a folder of .debs. */
  read(repository: SignedRepository): Promise<unknown>
  readFolder(directory: string): Promise<unknown>
}

/** A node whose channel has one good release already. */
async function publisher(t: Assert): Promise<Publisher> {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  const directory = await scratchFolder(t)
  const read = async ({ root, keyring }: SignedRepository): Promise<unknown> => {
    const path = join(directory, 'keyring.asc')
    await writeFile(path, keyring)
    const source = { kind: 'apt-repo', location: root, suite: 'test', keyrings: [path] }
    return await node.call('import', { channel: 'demo', source })
  }
  await read(await repository(t, { components: { main: [FOO] } }))
  return { node, read, readFolder: async (folder) => await node.importDebs('demo', folder) }
}

async function repository(t: Assert, more: Partial<RepositoryDescription> = {}): Promise<SignedRepository> {
  return await writeRepository(join(await scratchFolder(t), 'repository'), {
    components: { main: [FOO, BAR, BAZ] },
    forms: [''],
    ...more,
  })
}

/** Everything that a refused import must leave alone. */
async function stateOf({ home, node }: TestNode): Promise<object> {
  const { pool, indexes, staging, heads, keys } = homeAt(home)
  const files: Record<string, number> = {}
  for (const folder of [pool, indexes, staging, heads, keys]) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) files[relative(home, path)] = (await stat(path)).size
    }
  }
  const channel = node.session.channel('demo')
  return {
    files,
    releases: (await collect(channel.history.releases())).map(({ hash }) => hash.toString('hex')),
    log: [channel.log.length, channel.log.core.fork, channel.log.head().treeHash.toString('hex')],
    status: node.status(),
  }
}

/** The import is refused with `code` in a sentence, the node is as it was, and a good import goes through after it. */
async function refused(
  t: Assert,
  { node }: Publisher,
  code: string,
  what: string,
  run: () => Promise<unknown>,
): Promise<void> {
  const before = await stateOf(node)
  const error = await run().then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason as Error,
  )
  t.is(error instanceof FreshetError ? error.code : String(error), code, what)
  t.ok(/^[^\n]{10,500}$/.test(error.message), `one line: ${error.message.slice(0, 160)}`)
  t.alike(await stateOf(node), before, 'nothing changed')
}

function inReleaseOf({ root }: SignedRepository): string {
  return join(root, 'dists/test/InRelease')
}

test('refusals: signatures of an InRelease', MINUTE, async (t) => {
  const target = await publisher(t)
  const altered = await repository(t)
  const text = await readFile(inReleaseOf(altered), 'utf8')
  await writeFile(inReleaseOf(altered), text.replace('Label: Test', 'Label: Best'))
  await refused(t, target, 'SIGNATURE_BAD', 'a changed line', () => target.read(altered))

  const plain = await repository(t)
  await writeFile(
    inReleaseOf(plain),
    /Origin: [^]*?(?=-----BEGIN PGP SIG)/.exec(await readFile(inReleaseOf(plain), 'utf8'))?.[0] ?? '',
  )
  await refused(t, target, 'SIGNATURE_MISSING', 'a bare Release text', () => target.read(plain))

  const stranger = await createSigningKey('somebody else')
  const signed = await repository(t)
  const trusting = { ...signed, keyring: Buffer.from(stranger.publicKey) }
  await refused(t, target, 'SIGNATURE_UNKNOWN', 'a key that is not in the keyring', () => target.read(trusting))

  const late = await repository(t, { validUntil: Date.now() - 60_000 })
  await refused(t, target, 'RELEASE_EXPIRED', 'a Valid-Until that has passed', () => target.read(late))

  await rm(inReleaseOf(signed))
  await refused(t, target, 'SOURCE_UNAVAILABLE', 'no InRelease', () => target.read(signed))
  t.is(
    ((await target.read(await repository(t))) as { release: number }).release,
    2,
    'a good one goes through after them',
  )
})

test('refusals: an InRelease signed by an expired or a revoked key', MINUTE, async (t) => {
  if (skipGpg !== null) return t.comment(skipGpg)
  const target = await publisher(t)
  const gpg = gpgHome(t)
  const longAgo = ['--faked-system-time', '20200101T000000!']
  const soonAfter = ['--faked-system-time', '20200102T000000!']
  const expired = gpg.makeKey('expired', { expire: '20200201T000000', options: longAgo })
  const revoked = gpg.makeKey('revoked')
  for (const [key, code, options] of [
    [expired, 'SIGNATURE_EXPIRED', soonAfter],
    [revoked, 'SIGNATURE_REFUSED', []],
  ] as const) {
    const made = await repository(t)
    const signed = await readFile(inReleaseOf(made), 'utf8')
    const text = /Origin: [^]*?(?=\n?-----BEGIN PGP SIG)/.exec(signed)?.[0] ?? ''
    await writeFile(inReleaseOf(made), gpg.sign(text, [key], [...options]))
    if (key === revoked) gpg.revoke(key)
    await refused(t, target, code, code, () => target.read({ ...made, keyring: gpg.export(key) }))
  }
})

test('refusals: a Packages file that differs from its hash', MINUTE, async (t) => {
  const target = await publisher(t)
  const made = await repository(t)
  const [path = ''] = made.indexes.keys()
  const file = join(made.root, 'dists/test', path)
  const bytes = await readFile(file)
  await writeFile(file, bytes.toString('latin1').replace('Version: 1.0', 'Version: 1.1'), 'latin1')
  await refused(t, target, 'INDEX_MISMATCH', 'altered, of the same size', () => target.read(made))
  await writeFile(file, bytes.subarray(0, -10))
  await refused(t, target, 'INDEX_MISMATCH', 'truncated', () => target.read(made))
  await writeFile(file, Buffer.concat([bytes, Buffer.alloc(1_000_000, '\n')]))
  await refused(t, target, 'INDEX_MISMATCH', 'longer', () => target.read(made))
})

test('refusals: a truncated and an altered .deb of a repository', MINUTE, async (t) => {
  const target = await publisher(t)
  const made = await repository(t)
  const path = join(made.root, made.filenames.find((name) => name.includes('bar')) ?? '')
  const bytes = await readFile(path)
  await truncate(path, bytes.length - 1)
  await refused(t, target, 'ARTIFACT_MISMATCH', 'truncated', () => target.read(made))
  bytes.writeUInt8(bytes.readUInt8(200) ^ 1, 200)
  await writeFile(path, bytes)
  await refused(t, target, 'ARTIFACT_MISMATCH', 'altered', () => target.read(made))
})

test('refusals: a truncated and an altered .deb of a folder', MINUTE, async (t) => {
  const target = await publisher(t)
  const folder = await scratchFolder(t)
  await buildDeb(folder, BAR)
  const path = await buildDeb(folder, BAZ)
  t.is(((await target.readFolder(folder)) as { release: number }).release, 2)
  const bytes = await readFile(path)
  for (const length of [bytes.length - 20, 100, 10, 0]) {
    await truncate(path, length)
    await refused(t, target, 'DEB_MALFORMED', `truncated to ${length} bytes`, () => target.readFolder(folder))
  }
  const control = Buffer.from(bytes)
  control.writeUInt8(control.readUInt8(180) ^ 1, 180)
  await writeFile(path, control)
  await refused(t, target, 'DEB_MALFORMED', 'altered control', () => target.readFolder(folder))
  const data = Buffer.from(bytes)
  data.writeUInt8(data.readUInt8(data.length - 30) ^ 1, data.length - 30)
  await writeFile(path, data)
  await refused(t, target, 'VERSION_REUSE', 'altered data: the version has been published', () =>
    target.readFolder(folder),
  )
})

test('refusals: stanzas that break a rule', MINUTE, async (t) => {
  const target = await publisher(t)
  const cases: readonly (readonly [string, string, (packages: string) => string])[] = [
    ['FILENAME_UNSAFE', 'a Filename with ..', (text) => text.replace('Filename: pool/', 'Filename: pool/../../')],
    ['FILENAME_UNSAFE', 'an absolute Filename', (text) => text.replace('Filename: pool/', 'Filename: /pool/')],
    ['FILENAME_UNSAFE', 'an escaped ..', (text) => text.replace('Filename: pool/', 'Filename: pool/%2e%2e/')],
    ['STANZA_NO_PACKAGE', 'no Package', (text) => text.replace(/^Package: foo\n/m, '')],
    [
      'STANZA_FIELD_DUPLICATE',
      'a field twice',
      (text) => text.replace('Version: 1.0\n', 'Version: 1.0\nversion: 1.0\n'),
    ],
    ['STANZA_TOO_LARGE', '10 MB', (text) => text.replace('Description: foo', `Description: ${'x'.repeat(10_000_000)}`)],
    [
      'STANZA_MALFORMED',
      'a line that is no field',
      (text) => text.replace('Version: 1.0\n', 'Version: 1.0\nno field\n'),
    ],
    ['STANZA_FIELD_INVALID', 'no SHA256', (text) => text.replace(/^SHA256: .*\n/m, '')],
  ]
  for (const [code, what, edit] of cases) {
    const made = await repository(t, { edit })
    await refused(t, target, code, what, () => target.read(made))
  }
})

test('refusals: bytes that are not UTF-8 → kept, and rebuilt byte for byte by a follower', MINUTE, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node()
  const id = await node.createChannel('demo')
  const strange = Buffer.from([0xff, 0xfe, 0x80, 0xc3, 0x28, 0xe9, 0x20, 0xf0, 0x9f])
  const made = await repository(t, {
    edit: (text) => {
      const at = text.indexOf('Description: foo') + 'Description: '.length
      return Buffer.concat([Buffer.from(text.slice(0, at)), strange, Buffer.from(text.slice(at))])
    },
  })
  const keyring = join(await scratchFolder(t), 'keyring.asc')
  await writeFile(keyring, made.keyring)
  const source = { kind: 'apt-repo', location: made.root, suite: 'test', keyrings: [keyring] }
  await node.call('import', { channel: 'demo', source })
  const follower = await network.node()
  await follower.call('follow', { id })
  await follower.announced(1)
  const { indexes } = await follower.call<SnapshotView>('snapshot', { channel: 'demo' })
  for (const { path } of indexes) {
    const response = await fetch(`${follower.gateway}/demo/dists/test/${path}`)
    const rebuilt = Buffer.from(await response.arrayBuffer())
    t.ok(rebuilt.includes(strange), 'they are in it')
    t.ok(rebuilt.equals(made.indexes.get(path) ?? Buffer.alloc(0)), path)
  }
  t.is(indexes.length, made.indexes.size)
})

test('refusals: a request for a path outside the channel', MINUTE, async (t) => {
  const { node } = await publisher(t)
  await node.createChannel('other')
  const folder = await scratchFolder(t)
  await buildDeb(folder, BAZ)
  await node.importDebs('other', folder)
  const { indexes } = await node.call<SnapshotView>('snapshot', { channel: 'other' })
  const { port } = node.node.gateway ?? { port: 0 }
  const own = '/demo/pool/main/f/foo/foo_1.0_amd64.deb'
  const others = 'pool/main/b/baz/baz_3.0_amd64.deb'
  t.ok((await rawGet(port, own)).startsWith('HTTP/1.1 200'), 'its own file')
  t.ok((await rawGet(port, `/other/${others}`)).startsWith('HTTP/1.1 200'), "the other's, from the other")
  const up = '../'.repeat(12)
  for (const target of [
    '/x/../../etc/passwd',
    '/demo/../../etc/passwd',
    `/demo/${up}etc/passwd`,
    `/demo/pool/${up}etc/passwd`,
    `/demo/dists/test/${up}etc/passwd`,
    `/demo/${up.replaceAll('..', '%2e%2e')}etc/passwd`,
    `/demo/${up.replaceAll('..', '%2E.')}etc/passwd`,
    `/demo/pool/${up.replaceAll('/', '%2f')}etc/passwd`,
    `/demo/pool/${up.replaceAll('../', '%252e%252e%252f')}etc/passwd`,
    `/demo/pool/${up.replaceAll('/', '\\')}etc/passwd`,
    `/demo/pool/${up.replaceAll('/', '%5c')}etc/passwd`,
    '/demo//etc/passwd',
    '//etc/passwd',
    '/etc/passwd',
    `http://localhost/demo/${up}etc/passwd`,
    'file:///etc/passwd',
    `/demo@${up}etc/passwd`,
    `/demo/dists/test/main/binary-amd64/by-hash/SHA256/${up}etc/passwd`,
    '/demo/pool/%00/etc/passwd',
    '/demo/keys/demo.asc',
    '/demo/store/CORESTORE',
    `/demo/../other/${others}`,
    `/demo/${others}`,
    `/demo/dists/other/InRelease`,
    `/demo/dists/test/main/binary-amd64/by-hash/SHA256/${indexes[0]?.sha256 ?? ''}`,
    `/other/${own.slice('/demo/'.length)}`,
  ]) {
    const answer = await rawGet(port, target)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    const status = Number(head.split(' ')[1])
    t.ok(status >= 400 && status < 500, `${status} ${target.slice(0, 70)}`)
    if (/root:|Package:|!<arch>|BEGIN PGP/.test(body)) t.fail(`${target} gave something away`)
    if (!/^(?:[0-9a-f]+\r\n)?[^\n]*[A-Z]+_[A-Z]+/.test(body))
      t.comment(`without a code: ${JSON.stringify(answer.slice(0, 200))}`)
  }
})
