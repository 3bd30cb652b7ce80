/** Plans over history: versions that never stood in one release, made into a known-good set, and fetched by a follower as one. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { parsePackage } from '../../tools/arguments.ts'
import { makePlan } from '../../tools/commands/plan.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { PlanResult, PlanWishes } from '../../tools/plan-packages.ts'
import { runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNetwork, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 300_000 }

interface Built {
  readonly name: string
  readonly version: string
  readonly fields?: Readonly<Record<string, string>>
}
const base = { name: 'base', version: '1', fields: { Essential: 'yes' } }
const lib = (version: string): Built => ({ name: 'lib', version })
const app = (version: string): Built => ({ name: 'app', version, fields: { Depends: `lib (= ${version}), spell` } })
const tool = (version: string): Built => ({ name: 'tool', version, fields: { Depends: 'lib' } })
const speller = { name: 'speller', version: '1', fields: { Provides: 'spell' } }

/** app 1 needs lib 1, which left before app 1 came; tool 1 left before either. */
const RELEASES: readonly (readonly Built[])[] = [
  [base, tool('1'), lib('0'), speller],
  [base, tool('2'), lib('1'), speller],
  [base, tool('2'), lib('2'), app('1'), speller],
  [base, tool('2'), lib('2'), app('2'), speller],
  [base, tool('2'), lib('3'), app('3')],
]

async function published(t: Assert, network: TestNetwork): Promise<{ node: TestNode; id: string }> {
  const node = await network.node()
  const id = await node.createChannel('demo')
  for (const packages of RELEASES) {
    const directory = await scratchFolder(t)
    for (const one of packages) await buildDeb(directory, { ...one, architecture: 'amd64' })
    await node.importDebs('demo', directory)
  }
  return { node, id }
}

const EMPTY: Omit<PlanWishes, 'wishes'> = {
  statusPath: null,
  architecture: 'amd64',
  upgrade: false,
  allowRemove: false,
  recommends: false,
  pins: true,
}
const planned = (node: TestNode, wishes: readonly string[], given: Partial<PlanWishes> = {}): Promise<PlanResult> =>
  makePlan((operation, args) => node.call(operation, args), 'demo', {
    ...EMPTY,
    ...given,
    wishes: wishes.map(parsePackage),
  })
const listed = ({ install }: PlanResult): string[] =>
  install.map(({ name, version, release }) => `${name} ${version} #${release}`)

test('old sets: versions and no release → the newest release that will do, else the fewest', LONG, async (t) => {
  const { node } = await published(t, await privateNetwork(t))
  const newest = await planned(node, ['tool=2'])
  t.alike([newest.releases, listed(newest)], [[5], ['base 1 #5', 'lib 3 #5', 'tool 2 #5']])
  const old = await planned(node, ['app=2', 'tool=2'])
  t.alike([old.releases, listed(old)], [[4], ['app 2 #4', 'base 1 #4', 'lib 2 #4', 'speller 1 #4', 'tool 2 #4']])
  const two = await planned(node, ['app=1'])
  t.alike(
    [two.releases, two.searched],
    [
      [3, 2],
      [1, 5],
    ],
    'the release that had it had not what it needs',
  )
  t.alike(listed(two), ['app 1 #3', 'base 1 #3', 'lib 1 #2', 'speller 1 #3'])
  const three = await planned(node, ['app=1', 'tool=1'])
  t.alike(
    [three.releases, listed(three)],
    [
      [3, 2, 1],
      ['app 1 #3', 'base 1 #3', 'lib 1 #2', 'speller 1 #3', 'tool 1 #1'],
    ],
  )
  const unnamed = await planned(node, ['app=3'])
  t.alike(
    [unnamed.ok, unnamed.releases, listed(unnamed)],
    [true, [5, 4], ['app 3 #5', 'base 1 #5', 'lib 3 #5', 'speller 1 #4']],
  )

  const none = await planned(node, ['app=1', 'app=2'])
  t.is(none.ok, false)
  t.is(none.reason?.at(-1), 'app:amd64 2 and app:amd64 1 cannot be installed at once: one version at a time')
  t.is(await codeOf(planned(node, ['app=9'])), 'PACKAGE_UNKNOWN')

  const status = join(await scratchFolder(t), 'status')
  await writeFile(status, 'Package: lib\nStatus: hold ok installed\nVersion: 0\nArchitecture: amd64\n')
  const held = await planned(node, ['app=1'], { statusPath: status })
  t.alike(
    [held.ok, held.reason?.includes('lib:amd64 0 is held')],
    [false, true],
    'what the machine holds is in the way',
  )
  await writeFile(status, 'Package: lib\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n')
  const there = await planned(node, ['app=1'], { statusPath: status })
  t.alike([there.releases, listed(there)], [[3], ['app 1 #3', 'speller 1 #3']], 'the machine has what is missing')
})

test('old sets: saved as a known-good set → a follower fetches exactly these files', LONG, async (t) => {
  const network = await privateNetwork(t)
  const { node, id } = await published(t, network)
  await node.call('maintainer.invite', { channel: 'demo', name: 'Ada' })
  await node.call('maintainer.add', { channel: 'demo' })
  const plan = await planned(node, ['app=1', 'tool=1'])
  await node.stop()
  const at = ['--home', node.home, '--architecture', 'amd64', '--bootstrap', network.address]
  const saved = await runCommand('plan', 'demo', 'app=1', 'tool=1', '--empty', '--save', 'trio', ...at)
  t.is(saved.exitCode, 0, saved.stderr)
  t.ok(saved.stdout.includes('app:amd64 1') && saved.stdout.endsWith('known-good set trio\n'), saved.stdout)
  t.is((await runCommand('plan', 'demo', 'app=1', '--save', 'trio', ...at)).exitCode, 2, 'a set is for every machine')
  await node.start()
  await node.call('meta.publish', { channel: 'demo' })

  const follower = await network.node()
  await follower.call('follow', { id, name: 'demo' })
  await follower.serves('demo', RELEASES.length)
  await follower.until('the set is here', async () => {
    const said = await follower.call<{ registers: unknown[] }>('meta.get', { channel: 'demo', path: 'set/trio/kind' })
    return said.registers.length === 1
  })
  const to = await scratchFolder(t)
  const fetched = await follower.call<{ files: { name: string; version: string; sha256: string }[] }>('fetch', {
    channel: 'demo',
    set: 'trio',
    architecture: 'amd64',
    to,
  })
  t.alike(
    fetched.files.map(({ name, version, sha256 }) => [name, version, sha256]),
    plan.install.map(({ name, version, sha256 }) => [name, version, sha256]),
  )
  t.is((await readdir(to)).length, plan.install.length)
  t.is(await codeOf(follower.call('fetch', { channel: 'demo', set: 'duo' })), 'SET_UNKNOWN')
  await node.call('meta.set', { channel: 'demo', registers: { 'set/trio/kind': 'known-bad' } })
  t.is(await codeOf(node.call('fetch', { channel: 'demo', set: 'trio', architecture: 'amd64' })), 'SET_UNKNOWN')
  const depends = await follower.call<{ files: { version: string }[] }>('fetch', {
    channel: 'demo',
    packages: ['lib=1@2', 'tool@1'],
  })
  t.alike(
    depends.files.map(({ version }) => version),
    ['1', '1'],
    'each from a release of its own',
  )
})
