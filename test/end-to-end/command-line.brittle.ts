/** The executable as scripts and people use it: help, JSON, errors, exit codes, with and without a daemon, and Ctrl-C. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { controlPath } from '../../protocols/control-path.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { type CommandEnd, jsonOf, runCommand, startCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'

const LONG = { timeout: 120_000 }
/** For some thirty processes, which take four seconds each on a busy machine. */
const MANY = { timeout: 300_000 }
const STOP_MS_MAX = 3_000
const ID = /^[ybndrfg8ejkmcpqxot1uwisza345h769]{52}$/
const SHA256 = /^[0-9a-f]{64}$/
/** More would only take each other's time to start. */
const HELP_AT_ONCE = 4
const COMMANDS = [
  [],
  ['channel'],
  ['channel', 'create'],
  ['channel', 'list'],
  ['channel', 'key'],
  ['channel', 'rotate'],
  ['signer', 'create'],
  ['sign'],
  ['commit'],
  ['import'],
  ['follow'],
  ['start'],
  ['dht'],
  ['releases'],
  ['snapshot'],
  ['tag'],
  ['mirror', 'add'],
  ['mirror', 'remove'],
  ['mirror', 'list'],
  ['diff'],
  ['when'],
  ['bisect'],
  ['fetch'],
  ['audit'],
  ['config', 'list'],
  ['config', 'get'],
  ['config', 'set'],
  ['config', 'unset'],
  ['status'],
  ['why'],
]

/** The names of an object's fields must hold all of `fields`: a contract that is only ever extended. */
function has(t: Assert, value: object, fields: readonly string[], what: string): void {
  t.alike(
    fields.filter((field) => !(field in value)),
    [],
    `${what} has ${fields.join(', ')}`,
  )
}

async function folderOf(t: Assert, ...versions: string[]): Promise<string> {
  const directory = await scratchFolder(t)
  for (const version of versions) {
    await buildDeb(directory, {
      name: 'greeter',
      version,
      architecture: 'amd64',
      files: { 'usr/share/greeter': version },
    })
  }
  return directory
}

test('command line: --help of every command → exit 0, and what it does', MANY, async (t) => {
  const ends: CommandEnd[] = []
  for (let i = 0; i < COMMANDS.length; i += HELP_AT_ONCE) {
    const some = COMMANDS.slice(i, i + HELP_AT_ONCE)
    ends.push(...(await Promise.all(some.map((words) => runCommand(...words, '--help')))))
  }
  for (const [i, words] of COMMANDS.entries()) {
    const { exitCode, stdout, stderr } = ends[i] ?? { exitCode: -1, stdout: '', stderr: '' }
    t.alike([exitCode, stderr], [0, ''], `freshet ${words.join(' ')} --help`)
    t.ok(stdout.startsWith(`Usage: freshet${words.map((word) => ` ${word}`).join('')}`), 'usage')
    const isGroup = words.length === 0 || words.join() === 'channel'
    const needsNoNode = words[0] === 'sign' || words[0] === 'signer'
    if (!isGroup) t.ok(stdout.includes('--json'), '--json')
    if (!isGroup) t.is(stdout.includes('--home <dir>'), !needsNoNode, needsNoNode ? 'no --home' : '--home')
  }
})

test(
  'command line: wrong use → exit 2; refused → exit 1; one line with the code, or one JSON object',
  LONG,
  async (t) => {
    const home = await scratchFolder(t)
    const cases: readonly (readonly [number, string, readonly string[]])[] = [
      [2, 'USAGE', ['frobnicate']],
      [2, 'USAGE', ['status', '--frobnicate']],
      [2, 'USAGE', ['channel', 'create']],
      [2, 'USAGE', ['import', 'demo']],
      [2, 'USAGE', ['import', 'demo', '--deb-dir', '/tmp', '--apt-lists', 'bookworm']],
      [2, 'USAGE', ['import', 'demo', '--apt-repo', '/tmp']],
      [2, 'USAGE', ['start', '--gateway', 'nonsense']],
      [2, 'USAGE', ['follow', 'x', '--bootstrap', '127.0.0.1:99999']],
      [1, 'CHANNEL_UNKNOWN', ['releases', 'nobody']],
      [1, 'CHANNEL_UNKNOWN', ['import', 'nobody', '--deb-dir', home]],
      [1, 'CHANNEL_NAME_INVALID', ['channel', 'create', 'Not A Name']],
    ]
    for (const [exitCode, code, words] of cases) {
      const human = await runCommand(...words, '--home', home)
      t.alike([human.exitCode, human.stdout], [exitCode, ''], `freshet ${words.join(' ')}`)
      const sentence = new RegExp(`^freshet: ${code}: [^\\n]+ \\([^\\n]+\\)\\n$`)
      t.ok(sentence.test(human.stderr), human.stderr.trimEnd())
    }
    for (const [exitCode, code, words] of cases.filter((_, i) => i === 0 || i === 8)) {
      const machine = await runCommand(...words, '--home', home, '--json')
      t.alike([machine.exitCode, machine.stdout], [exitCode, ''], `freshet ${words.join(' ')} --json`)
      const { error } = JSON.parse(machine.stderr) as { error: { code: string } }
      has(t, error, ['code', 'message', 'detail'], 'the error')
      t.is(error.code, code)
    }
  },
)

test('command line: an import that is refused, a follow that is no id → exit 1', LONG, async (t) => {
  const home = await scratchFolder(t)
  await jsonOf('channel', 'create', 'demo', '--home', home)
  const network = await privateNetwork(t)
  for (const [code, words] of [
    ['CHANNEL_EXISTS', ['channel', 'create', 'demo']],
    ['USAGE', ['snapshot', 'demo@***']],
    ['NO_RELEASE', ['snapshot', 'demo']],
    ['INDEX_MISSING', ['import', 'demo', '--deb-dir', home]],
    ['SOURCE_UNAVAILABLE', ['import', 'demo', '--deb-dir', join(home, 'nothing')]],
    ['CHANNEL_ID_INVALID', ['follow', 'not-an-id', '--detach', '--bootstrap', network.address]],
  ] as const) {
    const { exitCode, stdout, stderr } = await runCommand(...words, '--home', home)
    t.alike([exitCode, stdout, stderr.split(':')[1]?.trim()], [code === 'USAGE' ? 2 : 1, '', code], stderr.trimEnd())
    t.is(stderr.split('\n').length, 2, 'in one line')
  }
})

/** All shapes of DESIGN's contract, through whatever answers for `home`. */
async function checkShapes(t: Assert, home: string, name: string, directory: string): Promise<string> {
  const at = ['--home', home]
  const created = await jsonOf<{ name: string; id: string }>('channel', 'create', name, ...at)
  t.alike([created.name, ID.test(created.id)], [name, true], 'channel create')
  const imported = await jsonOf<Record<string, number>>('import', name, '--deb-dir', directory, ...at)
  has(t, imported, ['release', 'added', 'removed', 'bytes'], 'import')
  t.alike([imported['release'], imported['added'], imported['removed']], [1, 1, 0])
  const status = await jsonOf<{ channels: { name: string }[]; peers: number; gateway: string | null }>('status', ...at)
  has(t, status, ['channels', 'peers', 'gateway'], 'status')
  const channel = status.channels.find((one) => one.name === name) ?? {}
  has(t, channel, ['name', 'id', 'role', 'release', 'behind', 'frozen'], 'its channel')
  const { id, role, release, behind, frozen } = channel as Record<string, unknown>
  t.alike([id, role, release, behind, frozen], [created.id, 'publisher', 1, 0, false])
  const list = await jsonOf<{ channels: object[] }>('channel', 'list', ...at)
  t.is(list.channels.length, status.channels.length)
  const why = await jsonOf<{ files: object[] }>('why', name, 'greeter', ...at)
  has(t, why, ['release', 'files'], 'why')
  has(t, why.files[0] ?? {}, ['channel', 'name', 'version', 'sha256', 'size', 'held', 'fetch'], 'its file')
  const snapshot = await jsonOf<{ indexes: { path: string; size: number; sha256: string }[] }>('snapshot', name, ...at)
  has(t, snapshot, ['channel', 'release', 'releasedAt', 'packages', 'indexes'], 'snapshot')
  const [index] = snapshot.indexes
  t.alike([index?.path, SHA256.test(index?.sha256 ?? '')], ['main/binary-amd64/Packages', true])
  t.ok((index?.size ?? 0) > 0)
  t.alike(await jsonOf('snapshot', `${name}@#1`, ...at), snapshot, 'the same by its number')
  const { releases } = await jsonOf<{ releases: { number: number }[] }>('releases', name, ...at)
  t.alike(
    releases.map(({ number }) => number),
    [1],
  )
  const { key } = await jsonOf<{ key: string }>('channel', 'key', name, ...at)
  t.ok(key.startsWith('-----BEGIN PGP PUBLIC KEY BLOCK-----'))
  const to = await scratchFolder(t)
  const fetched = await jsonOf<{ files: { path: string; size: number }[] }>(
    'fetch',
    name,
    'greeter=1.0',
    '--to',
    to,
    ...at,
  )
  const [file] = fetched.files
  const original = await readFile(join(directory, 'greeter_1.0_amd64.deb'))
  t.alike([file?.path, file?.size], [join(to, 'greeter_1.0_amd64.deb'), original.length], 'fetch --to')
  t.ok((await readFile(file?.path ?? '')).equals(original))
  return created.id
}

test('command line: JSON without and with a daemon → the same shapes', { timeout: 180_000 }, async (t) => {
  const network = await privateNetwork(t)
  const home = await scratchFolder(t)
  const directory = await folderOf(t, '1.0')
  await checkShapes(t, home, 'alone', directory)
  t.absent(existsSync(controlPath(home)), 'no socket without a daemon')
  const daemon = startCommand(
    t,
    'start',
    '--home',
    home,
    '--gateway',
    '127.0.0.1:0',
    '--bootstrap',
    network.address,
    '--json',
  )
  const started = await daemon.result<{ gateway: string }>()
  t.ok(/^http:\/\/127\.0\.0\.1:\d+$/.test(started.gateway), started.gateway)
  await checkShapes(t, home, 'served', directory)
  const { gateway, channels } = await jsonOf<{ gateway: string; channels: object[] }>('status', '--home', home)
  t.alike([gateway, channels.length], [started.gateway, 2], 'the daemon answers')
  const second = await runCommand('start', '--home', home, '--gateway', '127.0.0.1:0', '--bootstrap', network.address)
  t.alike([second.exitCode, second.stdout], [1, ''], 'a second daemon on the same home')
  t.ok(/^freshet: STORE_LOCKED: [^\n]+\n$/.test(second.stderr), second.stderr.trimEnd())
  t.is((await fetch(`${gateway}/served/dists/served/InRelease`)).status, 200, 'the first one is not disturbed')
  const end = await daemon.signal('SIGINT')
  t.is(end.exitCode, 0, `Ctrl-C: ${end.stderr}`)
  t.ok(end.tookMs < STOP_MS_MAX, `in ${Math.round(end.tookMs)} ms`)
  t.absent(existsSync(controlPath(home)), 'no socket is left')
})

test('command line: follow → a line for each release, until Ctrl-C', { timeout: 180_000 }, async (t) => {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  await publisher.importDebs('demo', await folderOf(t, '1.0'))
  const [alone, home] = [await scratchFolder(t), await scratchFolder(t)]
  const bootstrap = ['--bootstrap', network.address]
  const daemon = startCommand(t, 'start', '--home', home, '--gateway', '127.0.0.1:0', ...bootstrap)
  await daemon.line()
  const followers = [
    startCommand(t, 'follow', id, '--home', alone, ...bootstrap),
    startCommand(t, 'follow', id, '--home', home),
    startCommand(t, 'follow', id, '--home', home, '--json'),
  ] as const
  const [byItself, throughDaemon, asJson] = followers
  for (const follower of [byItself, throughDaemon]) {
    t.ok((await follower.line()).includes(id), 'what is followed')
    t.ok(/^demo #1 \(.*\): 1 packages.*; up to date$/.test(await follower.line((line) => line.startsWith('demo #1'))))
  }
  await asJson.line((line) => line.includes('"release":1') && line.includes('counts'))
  await publisher.importDebs('demo', await folderOf(t, '1.1'))
  for (const follower of [byItself, throughDaemon]) {
    const line = await follower.line((one) => one.startsWith('demo #2'))
    t.ok(/^demo #2 \(.*\): 1 upgraded, .* of packages: greeter 1\.0 → 1\.1; up to date$/.test(line), line)
  }
  const told = JSON.parse(await asJson.line((line) => line.includes('"release":2'))) as { changes: object[] }
  has(
    t,
    told,
    ['channel', 'id', 'release', 'previous', 'packages', 'counts', 'bytes', 'changes', 'behind'],
    'the notification',
  )
  t.is(told.changes.length, 1)
  await daemon.line((line) => line.startsWith('demo #2'))

  const to = await scratchFolder(t)
  const { files } = await jsonOf<{ files: object[] }>('fetch', 'demo', 'greeter', '--to', to, '--home', home)
  t.is(files.length, 1, 'fetched from the publisher')
  const older = await jsonOf<{ release: number }>('snapshot', 'demo@1', '--home', home)
  t.is(older.release, 1)
  for (const [what, running] of [
    ['follow by itself', byItself],
    ['follow through the daemon', throughDaemon],
    ['follow as JSON', asJson],
    ['start', daemon],
  ] as const) {
    const end = await running.signal('SIGINT')
    t.alike([end.exitCode, end.stderr], [0, ''], `Ctrl-C of ${what}`)
    t.ok(end.tookMs < STOP_MS_MAX, `in ${Math.round(end.tookMs)} ms`)
  }
  t.absent(existsSync(controlPath(home)) || existsSync(controlPath(alone)), 'no socket is left')
})

test('command line: the port of the gateway is taken → ADDRESS_IN_USE, and the home is free again', LONG, async (t) => {
  const network = await privateNetwork(t)
  const home = await scratchFolder(t)
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const start = await runCommand(
    'start',
    '--home',
    home,
    '--gateway',
    `127.0.0.1:${port}`,
    '--bootstrap',
    network.address,
  )
  t.alike([start.exitCode, start.stderr.split(':')[1]?.trim()], [1, 'ADDRESS_IN_USE'], start.stderr.trimEnd())
  t.alike((await jsonOf<{ channels: object[] }>('channel', 'list', '--home', home)).channels, [])
})
