/** The config file on disk: whole or not at all, whoever edits it, and whatever stands in its place. */
import { execFileSync } from 'node:child_process'
import { lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type Assert } from 'brittle'
import { CONFIG_FILE_BYTES_MAX } from '../../schemas/limits.ts'
import { DEFAULT_CONFIG } from '../../schemas/node-config.ts'
import { ConfigFile } from '../../store/config-file.ts'
import { scratchFolder } from '../helpers/channel.ts'
import { codeOf } from '../helpers/refusal.ts'

async function pathIn(t: Assert, text?: string): Promise<string> {
  const path = join(await scratchFolder(t), 'freshet.conf')
  if (text !== undefined) await writeFile(path, text)
  return path
}

test('config file: none → the defaults; a change → the file, for its owner only, in a home that is new too', async (t) => {
  const path = join(dirname(await pathIn(t)), 'new', 'home', 'freshet.conf')
  const changes: unknown[] = []
  const file = new ConfigFile(path, ({ config }) => changes.push(config['upload-cap']))
  await file.reread()
  t.alike(file.inForce.config, DEFAULT_CONFIG)
  await file.set('upload-cap', ' 2M ')
  t.is(await readFile(path, 'utf8'), 'upload-cap = 2M\n')
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.is(file.inForce.config['upload-cap'], 2e6)
  await file.unset('upload-cap')
  t.is(await readFile(path, 'utf8'), '')
  t.alike(changes, [null, 2e6, null], 'told each time')
  t.alike(await readdir(dirname(path)), ['freshet.conf'], 'nothing is left beside it')
})

test('config file: a bad value, an unknown name → CONFIG_INVALID; file and what is in force as before', async (t) => {
  const text = '# mine\nshare = lan-only\n'
  const path = await pathIn(t, text)
  const file = new ConfigFile(path)
  await file.reread()
  for (const [name, value] of [
    ['upload-cap', '-5'],
    ['upload-cap', '5 furlongs'],
    ['upload-cap', '2M\nshare = on'],
    ['upload-cap', '2M # comment'],
    ['share-hours', '22-7'],
    ['bandwidth', '2M'],
    ['share\nfetch', 'off'],
  ] as const) {
    t.is(await codeOf(file.set(name, value)), 'CONFIG_INVALID', JSON.stringify([name, value]))
  }
  t.is(await codeOf(file.unset('bandwidth')), 'CONFIG_INVALID')
  t.is(await readFile(path, 'utf8'), text)
  t.is(file.inForce.config.share, 'lan-only')
})

test('config file: edited by hand into something wrong → refused, the old is in force; one change mends it', async (t) => {
  const path = await pathIn(t, 'share = off\n')
  const file = new ConfigFile(path)
  await file.reread()
  await writeFile(path, 'share = off\nupload-cap = fast\nfetch = off\n')
  t.is(await codeOf(file.reread()), 'CONFIG_INVALID')
  t.is(await codeOf(file.set('fetch', 'on')), 'CONFIG_INVALID', 'another change does not carry it in')
  t.alike([file.inForce.config.share, file.inForce.config.fetch], ['off', 'on'])
  await file.set('upload-cap', '1M')
  t.is(await readFile(path, 'utf8'), 'share = off\nupload-cap = 1M\nfetch = off\n')
  t.alike([file.inForce.config.fetch, file.inForce.config['upload-cap']], ['off', 1e6], 'with what was edited by hand')
  await writeFile(path, 'share = off\nbandwidth = 5\n')
  await file.unset('bandwidth')
  t.is(await readFile(path, 'utf8'), 'share = off\n', 'a name that is none is taken out')
})

test('config file: many changes at once → all of them', async (t) => {
  const path = await pathIn(t)
  const file = new ConfigFile(path)
  const changes = { share: 'off', fetch: 'off', 'upload-cap': '1M', 'on-metered': 'pause', 'on-battery-percent': '10' }
  await Promise.all(Object.entries(changes).map(([name, value]) => file.set(name, value)))
  const again = new ConfigFile(path)
  await again.reread()
  t.alike(Object.fromEntries(again.inForce.written), changes)
})

test('config file: a symbolic link → what it points to is changed, and the link stays', async (t) => {
  const path = await pathIn(t)
  const target = join(dirname(path), 'elsewhere.conf')
  await writeFile(target, 'share = off\n')
  await symlink(target, path)
  await new ConfigFile(path).set('fetch', 'off')
  t.ok((await lstat(path)).isSymbolicLink())
  t.is(await readFile(target, 'utf8'), 'share = off\nfetch = off\n')
})

test('config file: a folder, a pipe, too much, not UTF-8 → refused, without waiting', async (t) => {
  const path = await pathIn(t)
  const file = new ConfigFile(path)
  await mkdir(path)
  t.is(await codeOf(file.reread()), 'CONFIG_INVALID', 'a folder')
  await rm(path, { recursive: true })
  execFileSync('mkfifo', [path])
  t.is(await codeOf(file.reread()), 'CONFIG_INVALID', 'a pipe')
  await rm(path)
  await writeFile(path, '#'.repeat(CONFIG_FILE_BYTES_MAX))
  t.is(await codeOf(file.reread()), 'accepted', 'the bound')
  await writeFile(path, '#'.repeat(CONFIG_FILE_BYTES_MAX + 1))
  t.is(await codeOf(file.reread()), 'CONFIG_INVALID', 'one more')
  await writeFile(path, Buffer.of(0x23, 0xff, 0xfe))
  t.is(await codeOf(file.reread()), 'CONFIG_INVALID', 'not UTF-8')
})
