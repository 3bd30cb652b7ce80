import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { FreshetError } from '../../schemas/errors.ts'
import { asIoError, writeDurably } from '../../store/durable.ts'
import { codeOf, temporaryFolder } from '../helpers/pool-fixtures.ts'

test('durable write: a file that exists → replaced, nothing else left in the folder', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'head')
  await writeFile(path, 'old')
  await writeDurably(path, Buffer.from('new'))
  t.is(await readFile(path, 'utf8'), 'new')
  t.alike(await readdir(folder), ['head'])
})

test('durable write: the rename cannot succeed → IO_ERROR with errno and path, no temporary file left', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'taken')
  await mkdir(join(path, 'by-a-folder'), { recursive: true })
  try {
    await writeDurably(path, Buffer.from('new'))
    t.fail('a folder was replaced by a file')
  } catch (error) {
    t.ok(error instanceof FreshetError)
    t.is((error as FreshetError).code, 'IO_ERROR')
    t.is((error as FreshetError).detail['path'], path)
    t.ok(['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(String((error as FreshetError).detail['errno'])))
  }
  t.alike(await readdir(folder), ['taken'])
})

test('durable write: the folder is missing → IO_ERROR', async (t) => {
  const folder = await temporaryFolder(t)
  t.is(await codeOf(writeDurably(join(folder, 'no', 'such'), Buffer.alloc(1))), 'IO_ERROR')
})

test('io errors: by errno → DISK_FULL, IO_ERROR, or unchanged', (t) => {
  const system = (code: string): Error => Object.assign(new Error(code), { code, errno: -1, syscall: 'write' })
  t.is(asIoError(system('ENOSPC'), '/a').code, 'DISK_FULL')
  t.is(asIoError(system('EDQUOT'), '/a').code, 'DISK_FULL')
  const failed = asIoError(system('EIO'), '/a')
  t.is(failed.code, 'IO_ERROR')
  t.alike(failed.detail, { path: '/a', errno: 'EIO', syscall: 'write' })
  const ours = new FreshetError('POOL_CORRUPT', 'x')
  t.is(asIoError(ours, '/a'), ours)
  t.is(asIoError(new TypeError('x'), '/a').code, 'INTERNAL')
})
