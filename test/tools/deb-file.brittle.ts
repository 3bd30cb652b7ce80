/** Real .debs of this machine and small built ones are read as dpkg-deb reads them; cut, patched and hostile ones are refused. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test from 'brittle'
import { pack } from 'tar-stream'
import { DEB_CONTROL_ENTRIES_MAX } from '../../schemas/limits.ts'
import { arOf, buildDeb, debBytes } from '../../tools/demo/build-deb.ts'
import { readDeb } from '../../tools/import/deb-file.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'

const CACHE = '/var/cache/apt/archives'
const cached = existsSync(CACHE) ? readdirSync(CACHE).filter((name) => name.endsWith('.deb')) : []
const FOO = { name: 'foo', version: '1.0', architecture: 'all', files: { 'usr/share/foo/text': 'hello\n'.repeat(500) } }
const MIB = 1024 * 1024

async function tarOf(entries: readonly (readonly [string, string | Buffer])[]): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of entries) archive.entry({ name }, Buffer.from(content))
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

test(
  'deb-file: .debs of this machine → control as dpkg-deb prints it',
  { skip: skipUnless('dpkg') !== null },
  async (t) => {
    // Some of every size up to a few megabytes; the machine's cache may be empty.
    const small = cached.filter((name) => statSync(join(CACHE, name)).size < 4 * MIB)
    const some = small.filter((_, index) => index % Math.ceil(small.length / 25) === 0)
    t.comment(`${some.length} of ${cached.length} files`)
    for (const name of some) {
      const path = join(CACHE, name)
      const { control, digest, byteLength, fields } = await readDeb(path)
      const expected = execFileSync('dpkg-deb', ['-f', path]).toString()
      if (control.toString().trimEnd() !== expected.trimEnd()) t.fail(`${name}: control differs`)
      if (digest !== createHash('sha256').update(readFileSync(path)).digest('hex')) t.fail(`${name}: digest`)
      if (byteLength !== statSync(path).size || !name.startsWith(`${fields.get('Package')}_`)) t.fail(name)
    }
    t.pass('all of them')
  },
)

test(
  'deb-file: what the builder makes → dpkg-deb takes it, in both forms',
  { skip: skipUnless('dpkg') !== null },
  async (t) => {
    const directory = await t.tmp()
    for (const compression of ['gz', 'none'] as const) {
      const path = await buildDeb(join(directory, compression), { ...FOO, compression, fields: { Depends: 'libc6' } })
      const { control, fields } = await readDeb(path)
      t.is(execFileSync('dpkg-deb', ['-f', path]).toString(), control.toString(), compression)
      t.is(fields.get('Depends'), 'libc6')
      const list = execFileSync('dpkg-deb', ['-c', path]).toString()
      t.ok(list.includes('./usr/share/foo/text'), 'its files are there')
    }
    t.ok((await debBytes(FOO)).equals(await debBytes(FOO)), 'equal input gives equal bytes')
  },
)

test('deb-file: every compression that dpkg-deb writes → read', { skip: skipUnless('dpkg') !== null }, async (t) => {
  const directory = await t.tmp()
  const root = join(directory, 'root')
  mkdirSync(join(root, 'DEBIAN'), { recursive: true })
  writeFileSync(
    join(root, 'DEBIAN/control'),
    'Package: foo\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n',
  )
  writeFileSync(join(root, 'text'), 'hello\n'.repeat(100_000))
  for (const compression of ['gzip', 'xz', 'zstd', 'none']) {
    const path = join(directory, `${compression}.deb`)
    execFileSync('dpkg-deb', ['-b', `-Z${compression}`, '--uniform-compression', root, path], { stdio: 'ignore' })
    t.is((await readDeb(path)).fields.get('Package'), 'foo', compression)
    const whole = readFileSync(path)
    writeFileSync(path, whole.subarray(0, -2))
    t.is(await codeOf(readDeb(path)), 'DEB_MALFORMED', `${compression}: two bytes short (one may be padding)`)
    writeFileSync(path, Buffer.concat([whole, Buffer.from('junk')]))
    t.is(await codeOf(readDeb(path)), 'DEB_MALFORMED', `${compression}: four bytes more`)
  }
})

test(
  'deb-file: an .xz data member that was cut, with the archive made to fit → DEB_MALFORMED',
  { skip: skipUnless('dpkg') !== null },
  async (t) => {
    const directory = await t.tmp()
    const path = join(directory, 'foo.deb')
    const data = execFileSync('xz', ['-1'], { input: await tarOf([['a', Buffer.alloc(300_000, 'abc')]]) })
    const control = gzipSync(await tarOf([['control', 'Package: foo\nVersion: 1\nArchitecture: all\n']]))
    const write = (member: Buffer) => {
      const members = [
        ['debian-binary', Buffer.from('2.0\n')],
        ['control.tar.gz', control],
        ['data.tar.xz', member],
      ] as const
      writeFileSync(path, arOf(members))
    }
    write(data)
    t.is(await codeOf(readDeb(path)), 'accepted', 'whole')
    write(Buffer.concat([data, data]))
    t.is(await codeOf(readDeb(path)), 'accepted', 'two streams')
    write(Buffer.concat([data, Buffer.alloc(8)]))
    t.is(await codeOf(readDeb(path)), 'accepted', 'padding')
    write(data.subarray(0, -4))
    t.is(await codeOf(readDeb(path)), 'DEB_MALFORMED', 'without its end')
    write(Buffer.concat([data.subarray(0, 40), data.subarray(48)]))
    t.is(await codeOf(readDeb(path)), 'DEB_MALFORMED', 'without some of its middle')
    write(Buffer.concat([data.subarray(0, 12), data]))
    t.is(await codeOf(readDeb(path)), 'DEB_MALFORMED', 'with something before it')
    write(Buffer.alloc(100_000))
    t.is(await codeOf(readDeb(path)), 'DEB_MALFORMED', 'zeros')
  },
)

test('deb-file: structures that are not a .deb → DEB_MALFORMED', async (t) => {
  const directory = await t.tmp()
  const path = join(directory, 'foo.deb')
  const code = async (bytes: Buffer) => {
    writeFileSync(path, bytes)
    return await codeOf(readDeb(path))
  }
  const control = await tarOf([['./control', 'Package: foo\nVersion: 1\nArchitecture: all\n']])
  const version = ['debian-binary', Buffer.from('2.0\n')] as const
  const good = [version, ['control.tar', control], ['data.tar', await tarOf([['a', 'b']])]] as const
  const [, , data] = good
  t.is(await code(arOf(good)), 'accepted')
  t.is(
    await code(arOf([version, ['_gpgorigin', Buffer.from('x')], ...good.slice(1), ['more', Buffer.from('y')]])),
    'accepted',
  )
  t.is(await code(Buffer.alloc(0)), 'DEB_MALFORMED', 'empty')
  t.is(await code(Buffer.from('!<arch>\n')), 'DEB_MALFORMED', 'no member')
  t.is(await code(arOf(good.slice(1))), 'DEB_MALFORMED', 'no debian-binary')
  t.is(await code(arOf([['debian-binary', Buffer.from('3.0\n')], ...good.slice(1)])), 'DEB_MALFORMED', 'format 3')
  t.is(await code(arOf([version, data])), 'DEB_MALFORMED', 'no control')
  t.is(await code(arOf(good.slice(0, 2))), 'DEB_MALFORMED', 'no data')
  t.is(await code(arOf([version, data, good[1]])), 'DEB_MALFORMED', 'wrong order')
  t.is(await code(arOf([version, ['control.tar.rar', control], data])), 'DEB_MALFORMED', 'unknown compression')
  t.is(await code(arOf([version, ['control.tar.gz', control], data])), 'DEB_MALFORMED', 'no gzip')
  t.is(await code(arOf([version, ['control.tar.xz', control], data])), 'DEB_MALFORMED', 'no xz')
  t.is(
    await code(arOf([version, ['control.tar', await tarOf([['x', 'y']])], data])),
    'DEB_MALFORMED',
    'no control file',
  )
  const damaged = Buffer.from(control)
  damaged[150] = 0x37
  t.is(await code(arOf([version, ['control.tar', damaged], data])), 'DEB_MALFORMED', 'tar checksum')
  const cut = gzipSync(control).subarray(0, -20)
  t.is(await code(arOf([version, ['control.tar.gz', cut], data])), 'DEB_MALFORMED', 'cut gzip')
  const lie = arOf(good)
  lie.write('9999999999', 8 + 48, 'latin1')
  t.is(await code(lie), 'DEB_MALFORMED', 'a member longer than the file')
  t.is(await codeOf(readDeb(join(directory, 'none'))), 'SOURCE_UNAVAILABLE')
})

test('deb-file: bombs → ARCHIVE_LIMIT, soon', async (t) => {
  const directory = await t.tmp()
  const path = join(directory, 'foo.deb')
  const data = ['data.tar', await tarOf([['a', 'b']])] as const
  const write = (name: string, control: Buffer) =>
    writeFileSync(path, arOf([['debian-binary', Buffer.from('2.0\n')], [name, control], data]))
  const zeros = await tarOf([
    ['big', Buffer.alloc(200 * MIB)],
    ['control', 'Package: foo\n'],
  ])
  const startedAtMs = performance.now()
  write('control.tar.gz', gzipSync(zeros, { level: 1 }))
  const packedAtMs = performance.now()
  t.is(await codeOf(readDeb(path)), 'ARCHIVE_LIMIT', 'gzip')
  t.ok(performance.now() - packedAtMs < 3000, `${Math.round(performance.now() - packedAtMs)} ms`)
  t.comment(`packing took ${Math.round(packedAtMs - startedAtMs)} ms`)
  if (skipUnless('dpkg') === null) {
    write('control.tar.xz', execFileSync('xz', ['-1'], { input: zeros, maxBuffer: MIB * 8 }))
    t.is(await codeOf(readDeb(path)), 'ARCHIVE_LIMIT', 'xz')
  }
  // A zstd frame of 128 KiB blocks, each of which is one byte repeated: the tightest bomb that the format has.
  const block = Buffer.from([
    0x02 | ((131_072 << 3) & 0xff),
    ((131_072 << 3) >> 8) & 0xff,
    ((131_072 << 3) >> 16) & 0xff,
    0,
  ])
  const frame = Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), ...Array.from({ length: 4096 }, () => block)])
  write('control.tar.zst', frame)
  t.is(await codeOf(readDeb(path)), 'ARCHIVE_LIMIT', 'zstd')
  const many = Array.from({ length: DEB_CONTROL_ENTRIES_MAX + 1 }, (_, index) => [`f${index}`, ''] as const)
  write('control.tar', await tarOf(many))
  t.is(await codeOf(readDeb(path)), 'ARCHIVE_LIMIT', 'many files')
  write('control.tar', await tarOf([['control', Buffer.alloc(2 * MIB, 'a')]]))
  t.is(await codeOf(readDeb(path)), 'ARCHIVE_LIMIT', 'a large control')
  writeFileSync(path, arOf(Array.from({ length: 100 }, (_, index) => [`m${index}`, Buffer.alloc(0)] as const)))
  t.is(await codeOf(readDeb(path)), 'ARCHIVE_LIMIT', 'many members')
})
