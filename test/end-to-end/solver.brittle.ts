/** `check` and `plan` on a small channel: verdicts, reasons, plans for machines, exit codes, and what is refused. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { CheckResult } from '../../tools/check-packages.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { SnapshotFiles } from '../../tools/operations.ts'
import { parsePackage } from '../../tools/arguments.ts'
import { planFor, type PlanResult, type PlanWishes, readMachine } from '../../tools/plan-packages.ts'
import { runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 300_000 }

interface Package {
  readonly name: string
  readonly version: string
  readonly fields: Readonly<Record<string, string>>
}

const FIRST: readonly Package[] = [
  { name: 'editor', version: '1', fields: { Depends: 'libtext (>= 1), spell | dictionary' } },
  { name: 'libtext', version: '1', fields: {} },
  { name: 'words', version: '1', fields: { Provides: 'dictionary' } },
  { name: 'old-plugin', version: '1', fields: { Depends: 'editor (<< 2)' } },
  { name: 'base', version: '1', fields: { Essential: 'yes' } },
]
const SECOND: readonly Package[] = [
  ...FIRST.slice(1),
  { name: 'editor', version: '2', fields: { Depends: 'libtext (>= 1), spell | dictionary' } },
  { name: 'odd', version: '1', fields: { Depends: 'libtext >= 1' } },
]

const MENDED = [
  ...SECOND.filter(({ name }) => !['odd', 'old-plugin'].includes(name)),
  { name: 'old-plugin', version: '2', fields: { Depends: 'editor (<< 3)' } },
  { name: 'odd', version: '2', fields: { Depends: 'libtext >= 1' } },
  { name: 'spelt', version: '1', fields: { Depends: 'nobody' } },
]

async function publish(t: Assert, node: TestNode, packages: readonly Package[]): Promise<SnapshotFiles> {
  const directory = await scratchFolder(t)
  for (const { name, version, fields } of packages) {
    await buildDeb(directory, { name, version, architecture: 'amd64', fields })
  }
  await node.importDebs('demo', directory)
  return node.call<SnapshotFiles>('snapshot.files', { channel: 'demo', when: null })
}

async function statusFile(t: Assert, ...packages: readonly string[]): Promise<string> {
  const path = join(await scratchFolder(t), 'status')
  const stanzas = packages.map((text) => {
    const [name = '', version = '', status = 'install ok installed', ...fields] = text.split('; ')
    return [`Package: ${name}`, `Status: ${status}`, `Version: ${version}`, 'Architecture: amd64', ...fields, ''].join(
      '\n',
    )
  })
  await writeFile(path, stanzas.join('\n'))
  return path
}

const listed = ({ install, remove }: PlanResult): string[] => [
  ...install.map(({ name, version, from }) => `${name} ${from ?? '-'} ${version}`),
  ...remove.map(({ name, version }) => `${name} ${version} -`),
]

test('solver: check of two releases → what became broken, and why', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  await publish(t, node, FIRST)
  const check = (when: string | null = null): Promise<CheckResult> => node.call('check', { channel: 'demo', when })
  const first = await check()
  t.alike([first.ok, first.packages, first.architectures, first.broken], [true, 5, ['amd64'], []])
  t.alike([first.since, first.became, first.mended], [null, [], []], 'a first release is compared with none')
  await publish(t, node, SECOND)
  const second = await check()
  t.alike([second.ok, second.release], [false, 2])
  t.alike(
    second.broken.map(({ name, on, reason }) => [name, on, ...reason]),
    [
      ['odd', 'amd64', 'odd:amd64 1 cannot be installed: odd: Depends: "libtext >= 1" is no relation'],
      ['old-plugin', 'amd64', 'old-plugin:amd64 1 depends on editor (<< 2), and there is only editor:amd64 2'],
    ],
  )
  const names = (list: CheckResult['became']): string[] => list.map(({ name }) => name)
  t.alike([second.since?.release, names(second.became), names(second.mended)], [1, ['odd', 'old-plugin'], []])
  await publish(t, node, MENDED)
  const third = await check()
  t.alike([third.since?.release, names(third.became), names(third.mended)], [2, ['spelt'], ['old-plugin']])
  t.alike(names(third.broken), ['odd', 'spelt'], 'one that goes up and stays so has not become so')
  t.alike((await check('2')).broken, second.broken, 'and back')
  t.is((await check('1')).ok, true)
})

test('solver: plans for machines → what they lack, what goes up, what stays, and what is refused', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  await publish(t, node, FIRST)
  const files = await publish(t, node, SECOND)
  const plan = async (wishes: string[], given: Partial<PlanWishes> = {}): Promise<PlanResult> => {
    const none = {
      statusPath: null,
      architecture: 'amd64',
      upgrade: false,
      allowRemove: false,
      recommends: false,
      pins: true,
    }
    const wanted = { ...none, ...given, wishes: wishes.map(parsePackage) }
    return planFor(await readMachine(files, wanted), files, wanted)
  }
  const empty = await plan(['editor'])
  t.alike(listed(empty), ['base - 1', 'editor - 2', 'libtext - 1', 'words - 1'])
  t.is(
    empty.bytes,
    empty.install.reduce((sum, { size }) => sum + size, 0),
  )
  t.ok(empty.install.every(({ sha256, size }) => /^[0-9a-f]{64}$/.test(sha256) && size > 0))

  const machine = ['base; 1', 'editor; 1; install ok installed; Depends: libtext', 'libtext; 1']
  const plugged = [...machine, 'old-plugin; 1; install ok installed; Depends: editor (<< 2)']
  const gone = 'words; 1; deinstall ok config-files'
  t.alike(listed(await plan([], { upgrade: true, statusPath: await statusFile(t, ...machine, gone) })), [
    'editor 1 2',
    'words - 1',
  ])
  t.alike(
    listed(await plan([], { upgrade: true, statusPath: await statusFile(t, ...plugged) })),
    [],
    'a plugin holds it',
  )
  const refused = await plan(['editor=2'], { statusPath: await statusFile(t, ...plugged) })
  t.alike([refused.ok, refused.install, refused.bytes], [false, [], 0])
  t.ok(refused.reason?.some((step) => step.startsWith('old-plugin:amd64 1 depends on editor (<< 2)')))
  const forced = await plan(['editor=2'], { statusPath: await statusFile(t, ...plugged), allowRemove: true })
  t.alike(listed(forced), ['editor 1 2', 'words - 1', 'old-plugin 1 -'])
  const held = await statusFile(t, ...machine.map((text) => text.replace('install ok', 'hold ok')))
  t.alike(listed(await plan([], { upgrade: true, statusPath: held })), [])
  t.is((await plan(['dictionary'])).install.at(-1)?.name, 'words', 'who provides what nobody is called')

  t.is(await codeOf(plan(['nothing'])), 'PACKAGE_UNKNOWN')
  t.is(await codeOf(plan(['editor=9'])), 'PACKAGE_UNKNOWN')
  t.is(await codeOf(plan(['editor'], { architecture: 'arm64' })), 'INDEX_MISSING')
  t.is(await codeOf(plan(['editor'], { statusPath: '/nonexistent/status' })), 'STATUS_INVALID')
  const odd = await statusFile(t, 'editor; not a version')
  t.is(await codeOf(plan(['editor'], { statusPath: odd })), 'STATUS_INVALID')
})

test('solver: pins, holds and recommendations → plans keep to them, and say so', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  const files = async (): Promise<SnapshotFiles> =>
    node.call<SnapshotFiles>('snapshot.files', { channel: 'demo', when: null })
  const plan = async (wishes: string[], given: Partial<PlanWishes> = {}): Promise<PlanResult> => {
    const none = {
      statusPath: null,
      architecture: 'amd64',
      upgrade: false,
      allowRemove: false,
      recommends: false,
      pins: true,
    }
    const wanted = { ...none, ...given, wishes: wishes.map(parsePackage) }
    return planFor(await readMachine(await files(), wanted), await files(), wanted)
  }
  await publish(t, node, [
    { name: 'editor', version: '1', fields: {} },
    { name: 'editor', version: '2', fields: { Recommends: 'words' } },
    { name: 'plugin', version: '1', fields: { Depends: 'editor (>= 2)' } },
    { name: 'words', version: '1', fields: {} },
  ])
  t.alike(listed(await plan(['editor'])), ['editor - 2'])
  t.alike(listed(await plan(['editor'], { recommends: true })), ['editor - 2', 'words - 1'])
  await node.call('maintainer.invite', { channel: 'demo', name: 'Ada' })
  await node.call('maintainer.add', { channel: 'demo' })
  await node.call('meta.set', { channel: 'demo', registers: { 'package/editor/pin': '1' } })
  const note = 'editor is pinned at 1: 2 is left out'
  const pinned = await plan(['editor'])
  t.alike([listed(pinned), pinned.notes], [['editor - 1'], [note]])
  const refused = await plan(['plugin'])
  t.alike(
    [refused.ok, refused.reason],
    [
      false,
      [
        'plugin:amd64 1 is asked for',
        'plugin:amd64 1 depends on editor (>= 2), and there is only editor:amd64 1',
        note,
      ],
    ],
  )
  const free = await plan(['plugin'], { pins: false })
  t.alike([listed(free), free.notes], [['editor - 2', 'plugin - 1'], []])
  t.alike(listed(await plan(['plugin', 'editor=2'])), ['editor - 2', 'plugin - 1'], 'who names a version gets it')

  const has = (want: string): Promise<string> => statusFile(t, `editor; 1; ${want} ok installed`, 'words; 1')
  const stays = await plan([], { upgrade: true, statusPath: await has('install') })
  t.alike([listed(stays), stays.notes], [[], [note]])
  const held = await plan([], { upgrade: true, pins: false, statusPath: await has('hold') })
  t.alike([listed(held), held.notes], [[], ['editor is held at 1: somebody asked dpkg to leave it']])
  t.alike(listed(await plan([], { upgrade: true, pins: false, statusPath: await has('install') })), ['editor 1 2'])
})

test('solver: the commands → results on standard output, and exit codes that say what they found', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  await publish(t, node, FIRST)
  await publish(t, node, SECOND)
  await node.stop()
  const run = (...args: string[]) => runCommand(...args, '--home', node.home)
  const check = await run('check', 'demo', '--json')
  t.is(check.exitCode, 3)
  t.is((JSON.parse(check.stdout) as { broken: unknown[] }).broken.length, 2)
  t.is((JSON.parse(check.stderr) as { error: { code: string } }).error.code, 'PACKAGES_BROKEN')
  const before = await run('check', 'demo@1')
  t.alike([before.exitCode, before.stdout], [0, 'demo #1 (amd64): 5 packages, 0 of them cannot be installed\n'])
  const plan = await run('plan', 'demo', 'editor', '--empty', '--architecture', 'amd64', '--json')
  t.is(plan.exitCode, 0)
  t.alike(listed(JSON.parse(plan.stdout) as PlanResult), ['base - 1', 'editor - 2', 'libtext - 1', 'words - 1'])
  const none = await run('plan', 'demo', 'old-plugin', '--empty', '--architecture', 'amd64')
  t.is(none.exitCode, 3)
  t.ok(none.stdout.includes('old-plugin:amd64 1 depends on editor (<< 2), and there is only editor:amd64 2'))
  const options = ['--with-depends', '--empty', '--architecture', 'amd64', '--bootstrap', network.address, '--json']
  const fetched = await run('fetch', 'demo', 'editor', ...options)
  const { files } = JSON.parse(fetched.stdout) as { files: { name: string }[] }
  t.alike(
    files.map(({ name }) => name),
    ['base', 'editor', 'libtext', 'words'],
  )
  for (const args of [
    ['fetch', 'demo', 'editor', '--empty'],
    ['plan', 'demo'],
    ['plan', 'demo', 'editor', '--empty', '--status', 'x'],
    ['plan', 'demo', 'A'],
  ]) {
    t.is((await run(...args)).exitCode, 2, args.join(' '))
  }
})
