/** `freshet config` as people use it: with and without a daemon, by hand and SIGHUP, and what a daemon says of a wrong file. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import type { NodeStatus } from '../../actors/status.ts'
import { connectControl } from '../../protocols/control-client.ts'
import { controlPath } from '../../protocols/control-path.ts'
import type { ConfigView, SettingView } from '../../tools/config-operations.ts'
import { jsonOf, runCommand, startCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'

const LONG = { timeout: 120_000 }
const FIELDS = ['accepts', 'default', 'means', 'name', 'source', 'text', 'unit', 'value']

test('config: without a daemon → the file; listed with value, default, source and meaning', LONG, async (t) => {
  const home = join(await scratchFolder(t), 'home')
  const [set, zone] = await Promise.all([
    jsonOf<SettingView>('config', 'set', 'upload-cap', '10Mbit/s', '--home', home),
    jsonOf<SettingView>('config', 'get', 'share-hours', '--home', home),
  ])
  t.alike(Object.keys(set).toSorted(), FIELDS)
  t.alike(
    [set.name, set.value, set.text, set.unit, set.source],
    ['upload-cap', 1_250_000, '10Mbit/s', 'bytes/s', 'file'],
  )
  t.alike([zone.value, zone.default, zone.text, zone.source], [null, null, 'off', 'default'])
  t.is(await readFile(join(home, 'freshet.conf'), 'utf8'), 'upload-cap = 10Mbit/s\n')
  const { path, settings } = await jsonOf<ConfigView>('config', '--home', home)
  t.is(path, join(home, 'freshet.conf'))
  t.alike(
    settings.filter(({ source }) => source === 'file').map(({ name }) => name),
    ['upload-cap'],
  )
  t.ok(settings.length > 9 && settings.every((setting) => Object.keys(setting).toSorted().join() === FIELDS.join()))
  const [listed, got, unset] = await Promise.all([
    runCommand('config', 'list', '--home', home),
    runCommand('config', 'get', 'upload-cap', '--home', home),
    jsonOf<object>('config', 'unset', 'share', '--home', home),
  ])
  t.ok(listed.stdout.includes('upload-cap = 10Mbit/s  (default: off)\n'), listed.stdout.slice(0, 300))
  t.is(got.stdout, '10Mbit/s\n')
  t.alike(unset, { name: 'share', path })
})

test(
  'config: values and names that are wrong → one line with the code, exit code 1, nothing written',
  LONG,
  async (t) => {
    const home = await scratchFolder(t)
    await writeFile(join(home, 'freshet.conf'), 'share = lan-only\n')
    const ends = await Promise.all([
      runCommand('config', 'set', 'upload-cap', '2 furlongs', '--home', home),
      runCommand('config', 'set', 'bandwidth', '2M', '--home', home),
      runCommand('config', 'get', 'bandwidth', '--home', home),
      runCommand('config', 'set', '--home', home, '--', 'upload-cap', '-2M'),
    ])
    for (const { exitCode, stdout, stderr } of ends) {
      t.alike([exitCode, stdout], [1, ''])
      t.ok(/^freshet: CONFIG_INVALID: [^\n]{20,400}\)\n$/.test(stderr), stderr)
    }
    t.is(await readFile(join(home, 'freshet.conf'), 'utf8'), 'share = lan-only\n')
  },
)

test(
  'config: with a daemon → in force at once and seen in status; by hand → with SIGHUP, or not at all',
  LONG,
  async (t) => {
    const { address } = await privateNetwork(t)
    const home = await scratchFolder(t)
    const path = join(home, 'freshet.conf')
    await writeFile(path, '# quiet by day\nupload-cap = 2M\n')
    const start = ['start', '--gateway', '127.0.0.1:0', '--bootstrap', address, '--home', home]
    const daemon = startCommand(t, ...start)
    await daemon.line((line) => line.startsWith('gateway '))
    const status = async (): Promise<NodeStatus> => {
      const client = await connectControl(controlPath(home))
      try {
        return (await client?.call('status', {})) as NodeStatus
      } finally {
        await client?.close()
      }
    }
    t.is((await status()).sharing.uploadBytesPerSecond, 2e6, 'read at start')

    const set = await jsonOf<SettingView>('config', 'set', 'fetch', 'off', '--home', home)
    t.alike([set.value, set.source], ['off', 'file'])
    const { sharing } = await status()
    t.alike(
      [sharing.fetch, sharing.reasons.find(({ setting }) => setting === 'fetch')],
      [false, { setting: 'fetch', because: 'nothing is to be fetched', shareWith: 'all', fetch: false }],
    )
    t.is(await readFile(path, 'utf8'), '# quiet by day\nupload-cap = 2M\nfetch = off\n')

    await writeFile(path, 'upload-cap = 3M\nshare = off\n')
    daemon.child.kill('SIGHUP')
    await daemon.log('was read again')
    const { stdout } = await runCommand('status', '--home', home)
    t.ok(/^sharing: nobody, at most 3\.0 MB\/s up \(share: nothing is to be given/m.test(stdout), stdout)

    await writeFile(path, 'upload-cap = 4M\nshare = perhaps\n')
    daemon.child.kill('SIGHUP')
    await daemon.log(`CONFIG_INVALID: ${path}:2: share: "perhaps" is none of on, lan-only, off`)
    t.is((await status()).sharing.uploadBytesPerSecond, 3e6, 'not half of it')
    const { exitCode, stderr } = await runCommand('config', 'set', 'fetch', 'on', '--home', home)
    t.is(exitCode, 1)
    t.ok(stderr.startsWith(`freshet: CONFIG_INVALID: ${path}:2: share: `), stderr)

    t.is((await daemon.signal('SIGTERM')).exitCode, 0)
    const refused = await runCommand(...start, '--json')
    t.is(refused.exitCode, 1, 'and with that file no daemon starts')
    const { error } = JSON.parse(refused.stderr) as { error: { code: string; detail: object; remedy: string } }
    t.alike([error.code, error.detail], ['CONFIG_INVALID', { path, line: 2, key: 'share' }])
    t.ok(error.remedy.includes('freshet config set'))
    await jsonOf('config', 'set', 'share', 'on', '--home', home)
    const { sharing: mended } = await jsonOf<NodeStatus>('status', '--home', home)
    t.is(mended.uploadBytesPerSecond, 4e6, 'mended by the command that the error names')
  },
)
