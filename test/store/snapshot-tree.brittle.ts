/** The folder that a snapshot is written to: what is in it is whole, and nothing outside of it is ever touched. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { link, lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { STORE_RESERVE_BYTES } from '../../schemas/limits.ts'
import { SnapshotTree, type ExpectedFile } from '../../store/snapshot-tree.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'

const MARK = { channel: 'a-channel', release: 3 }
const MARKER = '.freshet-snapshot'
const PATH = 'pool/main/a/aa_1.deb'
const CONTENT = Buffer.from('the bytes of aa 1')

const expected = (bytes: Buffer): ExpectedFile => ({
  byteLength: bytes.byteLength,
  digest: createHash('sha256').update(bytes).digest('hex'),
})

async function openTree(t: Assert, directory: string, mark = MARK): Promise<SnapshotTree> {
  const tree = await SnapshotTree.open(directory, mark)
  t.teardown(() => tree.close(), { order: -1 })
  return tree
}

async function everyFile(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted()
}

test('snapshot tree: files written → whole, readable for all, found again by their bytes alone', async (t) => {
  const directory = join(await scratchFolder(t), 'new', 'tree')
  const tree = await openTree(t, directory)
  t.is(await tree.holds(PATH, expected(CONTENT)), false)
  await tree.write(PATH, [CONTENT.subarray(0, 5), CONTENT.subarray(5)], expected(CONTENT))
  t.ok((await readFile(join(directory, PATH))).equals(CONTENT))
  t.is((await stat(join(directory, PATH))).mode & 0o777, 0o644)
  t.is((await stat(join(directory, 'pool/main'))).mode & 0o777, 0o755)
  t.is(await tree.holds(PATH, expected(CONTENT)), true)
  const other = Buffer.from('the bytes of aa 2')
  await writeFile(join(directory, PATH), other)
  t.is(await tree.holds(PATH, expected(CONTENT)), false, 'other bytes of the same length')
  await tree.write(PATH, [CONTENT], expected(CONTENT))
  t.ok((await readFile(join(directory, PATH))).equals(CONTENT), 'replaced')
  await tree.finish(true)
  await tree.close()
  t.alike(await everyFile(directory), [MARKER, PATH], 'nothing half-named is left')
  t.alike(JSON.parse(await readFile(join(directory, MARKER), 'utf8')), { format: 1, ...MARK, complete: true })
})

test('snapshot tree: bytes that are not those expected, or end in an error → no file', async (t) => {
  const directory = await scratchFolder(t)
  const tree = await openTree(t, directory)
  async function* failing(): AsyncGenerator<Buffer> {
    yield CONTENT
    throw new TypeError('the source ended')
  }
  const more = Buffer.concat([CONTENT, CONTENT])
  for (const source of [[CONTENT.subarray(1)], [more], [Buffer.from('as long as it is!')], []]) {
    t.is(await codeOf(tree.write(PATH, source, expected(CONTENT))), 'ARTIFACT_MISMATCH')
  }
  t.is(await codeOf(tree.write(PATH, failing(), expected(CONTENT))), 'INTERNAL')
  await tree.close()
  t.alike(await everyFile(directory), [MARKER])
})

test('snapshot tree: a folder of somebody else → SNAPSHOT_FOREIGN, untouched; an earlier write → taken up', async (t) => {
  const folder = await scratchFolder(t)
  const open = (name: string, mark = MARK): Promise<string> => {
    return codeOf(SnapshotTree.open(join(folder, name), mark).then((tree) => tree.close()))
  }
  await mkdir(join(folder, 'full'))
  await writeFile(join(folder, 'full', 'letter'), 'dear')
  t.is(await open('full'), 'SNAPSHOT_FOREIGN')
  t.alike(await everyFile(join(folder, 'full')), ['letter'])
  await writeFile(join(folder, 'full', MARKER), '{}')
  t.is(await open('full'), 'SNAPSHOT_FOREIGN', 'a marker that names no channel')
  await writeFile(join(folder, 'full', MARKER), 'not JSON')
  t.is(await open('full'), 'SNAPSHOT_FOREIGN', 'nor one that is not JSON')
  t.is(await open('ours'), 'accepted')
  await mkdir(join(folder, 'ours', `${MARKER}.tmp`))
  await writeFile(join(folder, 'ours', `${MARKER}.tmp`, 'left'), 'by a crash')
  t.is(await open('ours', { ...MARK, release: 4 }), 'accepted', 'another release of it')
  t.alike(await everyFile(join(folder, 'ours')), [MARKER], 'what was left is gone')
  t.is(await open('ours', { ...MARK, channel: 'another' }), 'SNAPSHOT_FOREIGN')
  await symlink(join(folder, 'ours', MARKER), join(folder, 'marker'))
  await mkdir(join(folder, 'linked'))
  await symlink(join(folder, 'ours', MARKER), join(folder, 'linked', MARKER))
  t.is(await open('linked'), 'SNAPSHOT_FOREIGN', 'a marker that is a link')
  await writeFile(join(folder, 'file'), '')
  t.is(await open('file'), 'IO_ERROR')
})

test('snapshot tree: symbolic links in it → never followed', async (t) => {
  const folder = await scratchFolder(t)
  const directory = join(folder, 'tree')
  const outside = join(folder, 'outside')
  await mkdir(outside)
  await writeFile(join(outside, 'aa_1.deb'), CONTENT)
  const tree = await openTree(t, directory)
  await mkdir(join(directory, 'pool/main'), { recursive: true })
  await symlink(outside, join(directory, 'pool/main/a'))
  t.is(await codeOf(tree.write(PATH, [CONTENT], expected(CONTENT))), 'FILENAME_UNSAFE', 'a folder')
  t.is(await codeOf(tree.holds(PATH, expected(CONTENT))), 'FILENAME_UNSAFE')
  t.alike(await readdir(outside), ['aa_1.deb'])
  await mkdir(join(directory, 'pool/main/b'))
  await symlink(join(outside, 'aa_1.deb'), join(directory, 'pool/main/b/file.deb'))
  t.is(await tree.holds('pool/main/b/file.deb', expected(CONTENT)), false, 'a file, though the bytes are right')
  const next = Buffer.from('other')
  await tree.write('pool/main/b/file.deb', [next], expected(next))
  t.is((await lstat(join(directory, 'pool/main/b/file.deb'))).isSymbolicLink(), false, 'replaced')
  t.ok((await readFile(join(outside, 'aa_1.deb'))).equals(CONTENT), 'and what it led to is as it was')
  await symlink(directory, join(folder, 'door'))
  const through = await openTree(t, join(folder, 'door'))
  t.is(through.directory, directory, 'the folder itself may be reached through one')
  t.is(await readlink(join(folder, 'door')), directory)
})

test('snapshot tree: paths that lead outside or over the marker → FILENAME_UNSAFE', async (t) => {
  const tree = await openTree(t, join(await scratchFolder(t), 'tree'))
  const paths = ['../up', '/etc/passwd', 'pool/../../up', '', 'a//b', './a', 'a/./b', MARKER, `${MARKER}.tmp/x`, 'a\nb']
  for (const path of paths) {
    t.is(await codeOf(async () => tree.write(path, [CONTENT], expected(CONTENT))), 'FILENAME_UNSAFE', path)
  }
})

test('snapshot tree: links → one file with two names, read-only; a second time the same', async (t) => {
  const folder = await scratchFolder(t)
  const directory = join(folder, 'tree')
  await writeFile(join(folder, 'source'), CONTENT)
  const tree = await openTree(t, directory)
  for (const what of ['linked', 'again']) {
    t.is(await tree.link(PATH, join(folder, 'source')), true, what)
    t.is((await stat(join(directory, PATH))).ino, (await stat(join(folder, 'source'))).ino)
  }
  t.is((await stat(join(directory, PATH))).mode & 0o777, 0o444)
  await tree.write('dists/hash', [CONTENT], expected(CONTENT))
  await tree.alias('dists/name', 'dists/hash', CONTENT, expected(CONTENT))
  t.is((await stat(join(directory, 'dists/name'))).ino, (await stat(join(directory, 'dists/hash'))).ino)
  t.is((await stat(join(directory, 'dists/name'))).mode & 0o777, 0o644)
  await tree.finish(false)
  await tree.close()
  t.alike(await everyFile(directory), [MARKER, 'dists/hash', 'dists/name', PATH])
})

const noRoot = skipUnless('root')

test('snapshot tree: another disk, and a full one → a copy, DISK_FULL, nothing half-named', async (t) => {
  if (noRoot !== null) return t.comment(noRoot)
  const folder = await scratchFolder(t)
  const disk = join(folder, 'disk')
  await mkdir(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${STORE_RESERVE_BYTES + 1024 * 1024}`, 'tmpfs', disk])
  t.teardown(() => execFileSync('umount', ['--lazy', disk]), { order: -1 })
  await writeFile(join(folder, 'source'), CONTENT)
  await link(join(folder, 'source'), join(folder, 'other-name'))
  const tree = await openTree(t, join(disk, 'tree'))
  t.is(await tree.link(PATH, join(folder, 'source')), false, 'no link from one disk to another')
  await tree.write(PATH, [CONTENT], expected(CONTENT))
  const large = Buffer.alloc(2 * 1024 * 1024)
  t.is(await codeOf(tree.write('pool/large', [large], expected(large))), 'DISK_FULL')
  // Its size was a lie: the disk itself has to say so.
  const flood = Array.from({ length: 40 }, () => Buffer.alloc(256 * 1024))
  t.is(await codeOf(tree.write('pool/flood', flood, expected(CONTENT))), 'DISK_FULL')
  await tree.close()
  t.alike(await everyFile(join(disk, 'tree')), [MARKER, PATH])
})
