/** A folder of .debs becomes a repository that the real apt takes; a folder that is not right is refused with its code. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { parseRelease } from '../../schemas/release-file.ts'
import { buildDeb, debBytes } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import { importDebDir } from '../../tools/import/deb-dir.ts'
import { clearSign, createSigningKey, verifyClearSigned } from '../../tools/import/openpgp.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'
import { staticServer } from '../helpers/static-server.ts'

const unsigned = async (text: string): Promise<Buffer> => Buffer.from(text)
const NOW_MS = Date.parse('2025-03-01T12:00:00.500Z')
const options = { suite: 'mine', sign: unsigned, nowMs: NOW_MS }

test('deb-dir: packages of two architectures and all → one index each, `all` in both, in order', async (t) => {
  const directory = await t.tmp()
  const deep = join(directory, 'a/b')
  await buildDeb(directory, { name: 'zeta', version: '1.0', architecture: 'amd64' })
  await buildDeb(deep, {
    name: 'alpha',
    version: '1:2.0~rc1-1',
    architecture: 'arm64',
    fields: { Source: 'libalpha (2.0)' },
  })
  await buildDeb(deep, { name: 'doc', version: '1.10', architecture: 'all' })
  await buildDeb(directory, { name: 'doc', version: '1.9', architecture: 'all', fields: { Section: 'doc' } })
  const draft = await importDebDir({ ...options, directory })
  t.alike(
    draft.indexes.map(({ path }) => path),
    ['main/binary-amd64/Packages', 'main/binary-arm64/Packages'],
  )
  const [amd64 = '', arm64 = ''] = draft.indexes.map(({ bytes }) => bytes.toString())
  const names = (text: string) => [...text.matchAll(/^Package: (.*)\nVersion: (.*)$/gm)].map(([, a, b]) => `${a}=${b}`)
  t.alike(names(amd64), ['doc=1.9', 'doc=1.10', 'zeta=1.0'])
  t.alike(names(arm64), ['alpha=1:2.0~rc1-1', 'doc=1.9', 'doc=1.10'])
  t.ok(arm64.includes('\nFilename: pool/main/liba/libalpha/alpha_2.0~rc1-1_arm64.deb\n'))
  t.is(draft.artifacts.length, 4)
  t.ok(draft.artifacts.every(({ strict, copy }) => strict && copy))
  const release = parseRelease(draft.inRelease.toString())
  t.is(release.date, Date.parse('2025-03-01T12:00:00Z'))
  t.is(draft.releasedAtMs, release.date)
  t.alike(release.architectures, ['amd64', 'arm64'])
  t.ok(draft.ownRelease)
  const again = await importDebDir({ ...options, directory })
  t.ok(again.inRelease.equals(draft.inRelease), 'equal files and time give equal bytes')
})

test('deb-dir: only packages for all → an index for all and one for the machine', async (t) => {
  const directory = await t.tmp()
  await buildDeb(directory, { name: 'doc', version: '1', architecture: 'all' })
  const draft = await importDebDir({ ...options, directory, architecture: 'riscv64' })
  t.alike(
    draft.indexes.map(({ path }) => path),
    ['main/binary-all/Packages', 'main/binary-riscv64/Packages'],
  )
  t.ok(draft.indexes[0]?.bytes.equals(draft.indexes[1]?.bytes ?? Buffer.alloc(0)))
})

test('deb-dir: folders that are not right → refused, each with its code', async (t) => {
  const fresh = async () => await t.tmp()
  const code = (directory: string, more: object = {}) => codeOf(importDebDir({ ...options, directory, ...more }))
  const empty = await fresh()
  t.is(await code(empty), 'INDEX_MISSING', 'empty')
  t.is(await code(join(empty, 'none')), 'SOURCE_UNAVAILABLE', 'no such folder')
  writeFileSync(join(empty, 'x.deb'), 'hello')
  t.is(await code(empty), 'DEB_MALFORMED', 'no .deb inside')
  const reuse = await fresh()
  await buildDeb(reuse, { name: 'foo', version: '1', architecture: 'amd64', files: { a: 'one' } })
  await buildDeb(join(reuse, 'new'), { name: 'foo', version: '1', architecture: 'amd64', files: { a: 'two' } })
  t.is(await code(reuse), 'VERSION_REUSE')
  const epoch = await fresh()
  await buildDeb(epoch, { name: 'foo', version: '1', architecture: 'amd64' })
  await buildDeb(join(epoch, 'new'), { name: 'foo', version: '1:1', architecture: 'amd64' })
  t.is(await code(epoch), 'VERSION_REUSE', 'one file name')
  const copies = await fresh()
  const path = await buildDeb(copies, { name: 'foo', version: '1', architecture: 'amd64' })
  cpSync(path, join(copies, 'copy.deb'))
  t.is(await code(copies), 'accepted', 'the same file twice')
  const outside = await fresh()
  symlinkSync(path, join(outside, 'link.deb'))
  t.is(await code(outside), 'INDEX_MISSING', 'a link out of the folder is not followed')
  mkdirSync(join(outside, 'folder.deb'))
  t.is(await code(outside), 'INDEX_MISSING', 'a folder with that name')
  t.is(await code(copies, { suite: '../evil' }), 'USAGE', 'suite')
  t.is(await code(copies, { component: 'a b' }), 'USAGE', 'component')
  for (const [what, deb] of Object.entries({
    'bad name': { name: 'Foo', version: '1', architecture: 'amd64' },
    'bad version': { name: 'foo', version: '1 2', architecture: 'amd64' },
    'bad architecture': { name: 'foo', version: '1', architecture: '../x' },
    'bad source': { name: 'foo', version: '1', architecture: 'amd64', fields: { Source: '../../etc' } },
    'a field of the index': { name: 'foo', version: '1', architecture: 'amd64', fields: { Size: '1' } },
    'a field twice': { name: 'foo', version: '1', architecture: 'amd64', fields: { version: '2' } },
    'two paragraphs': { name: 'foo', version: '1', architecture: 'amd64', fields: { A: 'b\n\nPackage: x' } },
  })) {
    const directory = await fresh()
    writeFileSync(join(directory, 'foo.deb'), await debBytes(deb))
    t.is(await code(directory), 'DEB_MALFORMED', what)
  }
})

test(
  'deb-dir: the repository it makes → the real apt updates from it and downloads',
  { skip: skipUnless('apt', 'dpkg') !== null },
  async (t) => {
    const directory = await t.tmp()
    const root = await t.tmp()
    await buildDeb(directory, {
      name: 'foo',
      version: '1:1.0',
      architecture: 'amd64',
      files: { 'usr/share/foo': 'hi\n' },
    })
    await buildDeb(directory, { name: 'foo-doc', version: '1.0', architecture: 'all', fields: { Depends: 'foo' } })
    const { privateKey, publicKey } = await createSigningKey('Freshet channel mine')
    const sign = async (text: string) => await clearSign(text, privateKey)
    const draft = await importDebDir({ directory, suite: 'mine', sign })
    await verifyClearSigned(draft.inRelease, [Buffer.from(publicKey)], Date.now())
    const dists = join(root, 'dists/mine')
    for (const { path, bytes } of draft.indexes) {
      mkdirSync(join(dists, path, '..'), { recursive: true })
      writeFileSync(join(dists, path), bytes)
      for (const match of bytes.toString().matchAll(/^Filename: (.*)\n(?:.*\n)*?SHA256: (.*)$/gm)) {
        const source = draft.artifacts.find(({ digest }) => digest === match[2])?.sourcePath ?? ''
        mkdirSync(join(root, match[1] ?? '', '..'), { recursive: true })
        cpSync(source, join(root, match[1] ?? ''))
      }
    }
    writeFileSync(join(dists, 'InRelease'), draft.inRelease)
    const key = join(root, 'mine.asc')
    writeFileSync(key, publicKey)
    const { url } = await staticServer(t, root)
    const apt = await scratchApt({ sources: [`deb ${url} mine main`], keyrings: [key], architecture: 'amd64' })
    t.teardown(() => apt.remove())
    const update = await apt.update()
    t.is(update.exitCode, 0, update.output)
    const { exitCode, output, paths } = await apt.download(['foo', 'foo-doc'])
    t.is(exitCode, 0, output)
    t.is(paths.length, 2)
    t.is(
      execFileSync('dpkg-deb', ['-f', paths[0] ?? '', 'Package'])
        .toString()
        .trim(),
      'foo-doc',
    )
    const stranger = await createSigningKey('somebody else')
    writeFileSync(join(dists, 'InRelease'), await clearSign(parseableText(draft.inRelease), stranger.privateKey))
    t.not((await apt.update()).exitCode, 0, 'apt refuses another signer')
  },
)

function parseableText(inRelease: Buffer): string {
  return /\n\n([\s\S]*\n)-----BEGIN PGP SIGNATURE/.exec(inRelease.toString())?.[1] ?? ''
}
