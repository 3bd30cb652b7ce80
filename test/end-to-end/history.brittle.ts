/** History as people ask for it: diff, when, releases --package, single packages of old releases, and bisect. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type Hypercore from 'hypercore'
import type { DiffItem, DiffResult, VersionsResult, WhenResult } from '../../tools/history-operations.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { jsonOf, runCommand, startCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'

const LONG = { timeout: 300_000 }

/** `NAME VERSION [ARCHITECTURE [CONTENT]]`. */
async function folderOf(t: Assert, packages: readonly string[]): Promise<string> {
  const directory = await scratchFolder(t)
  for (const text of packages) {
    const [name = '', version = '', architecture = 'amd64', content = ''] = text.split(' ')
    await buildDeb(directory, { name, version, architecture, files: { [`usr/share/${name}`]: `${text} ${content}` } })
  }
  return directory
}

async function publish(t: Assert, node: TestNode, channel: string, ...packages: string[]): Promise<void> {
  await node.importDebs(channel, await folderOf(t, packages))
}

const said = ({ name, from, to }: DiffItem): string => `${name} ${from ?? '-'} ${to ?? '-'}`

function listsOf({ added, removed, upgraded, downgraded, changed }: DiffResult): Record<string, string[]> {
  const lists = { added, removed, upgraded, downgraded, changed }
  return Object.fromEntries(
    Object.entries(lists)
      .filter(([, items]) => items.length > 0)
      .map(([kind, items]) => [kind, items.map(said)]),
  )
}

/** What a core has on this disk. */
async function heldBlocks(core: Hypercore): Promise<number> {
  let held = 0
  for (let block = 0; block < core.length; block++) if (await core.has(block)) held++
  return held
}

async function indexCore({ node }: TestNode, channel: string): Promise<Hypercore> {
  const { indexKey } = await node.session.channel(channel).log.genesis()
  const core = node.session.store.cores.get({ key: indexKey })
  await core.ready()
  return core
}

test('history: diff within a channel and between two → every kind, sizes, the same both ways', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  for (const name of ['demo', 'other']) await node.createChannel(name)
  await publish(t, node, 'demo', 'aa 1', 'bb 2', 'cc 1', 'gone 1', 'arch 1 arm64')
  await publish(t, node, 'demo', 'aa 1.10', 'bb 1', 'cc 1', 'new 1', 'arch 1 amd64')
  await publish(t, node, 'other', 'aa 1', 'bb 2', 'cc 1 amd64 rebuilt', 'gone 1', 'arch 1 arm64')
  const forth = await node.call<DiffResult>('diff', { from: 'demo@1', to: 'demo' })
  t.alike(listsOf(forth), {
    added: ['arch - 1', 'new - 1'],
    removed: ['arch 1 -', 'gone 1 -'],
    upgraded: ['aa 1 1.10'],
    downgraded: ['bb 2 1'],
  })
  t.alike([forth.from.release, forth.to.release, forth.to.channel, forth.to.suite], [1, 2, 'demo', 'demo'])
  const came = [...forth.added, ...forth.upgraded, ...forth.downgraded]
  t.is(
    forth.bytes,
    came.reduce((sum, { size }) => sum + size, 0),
  )
  const [aa] = forth.upgraded
  const [file] = (await node.call<{ files: { size: number; sha256: string }[] }>('fetch', fetchArgs('demo', 'aa')))
    .files
  t.alike([aa?.size, aa?.sha256], [file?.size, file?.sha256], 'the file that came')
  const back = await node.call<DiffResult>('diff', { from: 'demo', to: 'demo@#1' })
  t.alike(back.upgraded.map(said), ['bb 1 2'])
  t.alike(back.downgraded.map(said), ['aa 1.10 1'])
  const across = await node.call<DiffResult>('diff', { from: 'demo@1', to: 'other' })
  t.alike(listsOf(across), { changed: ['cc 1 1'] }, 'the same version with other bytes')
  const [cc] = across.changed
  t.ok(cc?.fromSha256 !== cc?.sha256 && across.bytes === cc?.size)
  t.alike(listsOf(await node.call('diff', { from: 'demo@2', to: 'demo' })), {})
  for (const [from, to, code] of [
    ['nobody', 'demo', 'CHANNEL_UNKNOWN'],
    ['demo@9', 'demo', 'RELEASE_UNKNOWN'],
    ['demo@tag', 'demo', 'RELEASE_UNKNOWN'],
    ['demo@', 'demo', 'USAGE'],
    ['demo', 'demo@?', 'USAGE'],
  ]) {
    t.is(await codeOf(node.call('diff', { from, to })), code, `${from} ${to}`)
  }
})

const fetchArgs = (channel: string, name: string, when: string | null = null): object => {
  return { channel, when, packages: [name], to: null }
}

test(
  'history: when and releases --package → ranges, open ones to the newest, and refusals that name versions',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const node = await network.node({ offline: true })
    await node.createChannel('demo')
    t.is(await codeOf(node.call('when', { channel: 'demo', packages: ['aa'] })), 'NO_RELEASE')
    await publish(t, node, 'demo', 'aa 1', 'bb 1')
    await publish(t, node, 'demo', 'aa 2', 'bb 1', 'aa 1 arm64')
    await publish(t, node, 'demo', 'aa 2', 'cc 1')
    await publish(t, node, 'demo', 'aa 1', 'bb 1')
    const when = (...packages: string[]): Promise<WhenResult> => node.call('when', { channel: 'demo', packages })
    t.alike((await when('aa')).ranges, [[1, 4]])
    t.alike((await when('aa=1')).ranges, [
      [1, 2],
      [4, 4],
    ])
    t.alike((await when('aa:amd64=1')).ranges, [
      [1, 1],
      [4, 4],
    ])
    t.alike((await when('aa=2', 'bb')).ranges, [[2, 2]])
    t.alike((await when('bb', 'cc')).ranges, [])
    const { newest, times, ranges } = await when('bb=1')
    t.alike(
      [newest, ranges],
      [
        4,
        [
          [1, 2],
          [4, 4],
        ],
      ],
    )
    const { releases } = await node.call<{ releases: { publishedAt: string }[] }>('releases', { channel: 'demo' })
    const at = (number: number): string | undefined => releases[number - 1]?.publishedAt
    t.alike(times, [
      [at(1), at(2)],
      [at(4), at(4)],
    ])
    const { versions } = await node.call<VersionsResult>('versions', { channel: 'demo', package: 'aa' })
    t.alike(
      versions.map(({ version, architecture, ranges: held }) => [version, architecture, held]),
      [
        [
          '1',
          'amd64',
          [
            [1, 1],
            [4, 4],
          ],
        ],
        ['1', 'arm64', [[2, 2]]],
        ['2', 'amd64', [[2, 3]]],
      ],
    )
    for (const [wish, message] of [
      ['zz', /no release of demo held zz$/],
      ['aa=3', /held aa=3; it held 2 \(amd64\), 1 \(amd64\), 1 \(arm64\)/],
      ['bb:arm64', /held bb:arm64; it held 1 \(amd64\)/],
    ] as const) {
      const asked = when('bb', wish).then(
        () => 'accepted',
        (error: Error) => error.message,
      )
      t.ok(message.test(await asked), await asked)
      t.is(await codeOf(node.call('versions', { channel: 'demo', package: wish })), 'PACKAGE_UNKNOWN')
    }
    t.is(await codeOf(when()), 'USAGE')
    t.is(await codeOf(when('Not a name')), 'USAGE')
  },
)

test(
  'history: a follower → answers from a few blocks of the index, and fetches old packages without a rebuild',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node()
    const id = await publisher.createChannel('demo')
    const crowd = Array.from({ length: 250 }, (_, i) => `crowd${i} 1`)
    await publish(t, publisher, 'demo', 'aa 1', ...crowd)
    await publish(t, publisher, 'demo', 'aa 2', ...crowd.slice(0, 200))
    await publish(t, publisher, 'demo', 'aa 3', ...crowd.slice(0, 200))
    const follower = await network.node()
    await follower.call('follow', { id })
    await follower.serves(id, 3)
    const { ranges } = await follower.call<WhenResult>('when', { channel: id, packages: ['crowd210', 'aa=1'] })
    t.alike(ranges, [[1, 1]])
    const { versions } = await follower.call<VersionsResult>('versions', { channel: id, package: 'aa' })
    t.alike(
      versions.map(({ version, ranges: held }) => [version, held]),
      [
        ['1', [[1, 1]]],
        ['2', [[2, 2]]],
        ['3', [[3, 3]]],
      ],
    )
    const core = await indexCore(follower, id)
    const held = await heldBlocks(core)
    t.ok(held > 0 && held < core.length / 3, `${held} of ${core.length} blocks`)
    const channel = follower.node.session.channel(id)
    let opened = 0
    const snapshot = channel.snapshot.bind(channel)
    channel.snapshot = async (when) => (opened++, snapshot(when))
    const { files } = await follower.call<{ files: { version: string; path: string }[] }>(
      'fetch',
      fetchArgs(id, 'aa', '1'),
    )
    t.alike([files[0]?.version, opened], ['1', 0], 'no snapshot was opened')
    t.is(await codeOf(follower.call('fetch', fetchArgs(id, 'crowd210', '2'))), 'PACKAGE_UNKNOWN')
    t.is(opened, 0)
    t.is(await codeOf(follower.call('fetch', fetchArgs(id, 'aa', '9'))), 'RELEASE_UNKNOWN')
    const gateway = await fetch(`${follower.gateway}/${id}@1/dists/demo/main/binary-amd64/Packages`)
    t.ok((await gateway.text()).includes('Package: crowd210\n'), 'the gateway rebuilds, as ever')
    t.is((await follower.call<DiffResult>('diff', { from: `${id}@1`, to: `${id}@2` })).removed.length, 50)
    await core.close()
  },
)

/** Good until aa has version 4; asks the gateway that it is given. Words: `skip=N`, `die=N`, `wait`. */
const JUDGE = String.raw`
const { FRESHET_URL: url, FRESHET_SUITE: suite, FRESHET_RELEASE: release, FRESHET_CHANNEL: channel } = process.env
const words = process.argv.slice(2)
console.log('judging', channel, release, process.pid)
if (words.includes('wait')) setInterval(() => {}, 1000)
else {
  const packages = await (await fetch(url + '/dists/' + suite + '/main/binary-amd64/Packages')).text()
  const version = Number(/^Package: aa\nVersion: (.*)$/m.exec(packages)[1])
  if (words.includes('skip=' + release)) process.exitCode = 125
  else if (words.includes('die=' + release)) process.kill(process.pid, 'SIGKILL')
  else process.exitCode = version >= 4 ? 1 : 0
}
`

/** A home whose channel `demo` has six releases: aa 1 to aa 6. @returns the home and a command that judges them. */
async function sixReleases(t: Assert): Promise<{ home: string; judge: string[] }> {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  for (let version = 1; version <= 6; version++) {
    await publish(t, node, 'demo', `aa ${version}`, 'bb 1', ...(version === 4 ? ['cc 1'] : []))
  }
  await node.stop()
  const script = join(await scratchFolder(t), 'judge.mjs')
  await writeFile(script, JUDGE)
  return { home: node.home, judge: [process.execPath, script] }
}

interface Bisected {
  readonly channel: string
  readonly firstBad: number
  readonly lastGood: number
  readonly publishedAt: string
  readonly tried: readonly { release: number; verdict: string; exitCode: number }[]
  readonly changes: DiffResult
}

test('history: bisect without and with a daemon → the first bad release and what it changed', LONG, async (t) => {
  const { home, judge } = await sixReleases(t)
  const range = ['bisect', 'demo', '--good', '1', '--bad', '#6', '--home', home]
  const alone = await runCommand(...range, '--', ...judge)
  t.is(alone.exitCode, 0, alone.stderr)
  const lines = alone.stdout.split('\n')
  t.alike(
    lines.filter((line) => /^#\d: /.test(line)),
    ['#1: good (exit 0)', '#6: bad (exit 1)', '#3: good (exit 0)', '#4: bad (exit 1)'],
  )
  t.is(lines.filter((line) => line.startsWith('judging demo ')).length, 4, 'the command prints where we do')
  t.ok(lines.some((line) => line.startsWith('#4 is the first bad release of demo, published 20')))
  t.ok(
    /upgraded \(1\)\n {2}aa {2}amd64 {2}3 → 4 {2}\d+ B\n\nadded \(1\)\n {2}cc {2}amd64 {2}1 {2}\d+ B\n$/.test(
      alone.stdout,
    ),
    'and what it changed',
  )

  const daemon = startCommand(t, 'start', '--home', home, '--gateway', '127.0.0.1:0', '--json')
  await daemon.line()
  const served = await runCommand(...range, '--json', '--no-verify', '--', ...judge, 'skip=2')
  t.is(served.exitCode, 0, served.stderr)
  const found = JSON.parse(served.stdout) as Bisected
  t.is(served.stderr.match(/^judging demo/gm)?.length, found.tried.length, 'the result is alone on standard output')
  t.alike(
    found.tried.map(({ release, verdict, exitCode }) => [release, verdict, exitCode]),
    [
      [3, 'good', 0],
      [4, 'bad', 1],
    ],
  )
  t.alike([found.channel, found.firstBad, found.lastGood], ['demo', 4, 3])
  t.alike(listsOf(found.changes), { added: ['cc - 1'], upgraded: ['aa 3 4'] })
  t.is(found.publishedAt, found.changes.to.publishedAt)
  const undecided = await runCommand(...range, '--no-verify', '--', ...judge, 'skip=3', 'skip=4')
  t.alike([undecided.exitCode, codeIn(undecided.stderr)], [1, 'BISECT_UNDECIDED'], undecided.stderr)
  t.is((await daemon.signal('SIGINT')).exitCode, 0)
})

const codeIn = (stderr: string): string | undefined => /^freshet: ([A-Z_]+): /m.exec(stderr)?.[1]

test('history: bisect with ends that do not fit, a command that fails → a code, and exit 1', LONG, async (t) => {
  const { home, judge } = await sixReleases(t)
  const cases: readonly [code: string, channel: string, good: string, bad: string, argv: readonly string[]][] = [
    ['BISECT_RANGE', 'demo', '5', '2', judge],
    ['BISECT_RANGE', 'demo', '2', '2', judge],
    ['RELEASE_UNKNOWN', 'demo', '1', '9', judge],
    ['RELEASE_UNKNOWN', 'demo', 'never', '2', judge],
    ['CHANNEL_UNKNOWN', 'nobody', '1', '2', judge],
    ['BISECT_UNVERIFIED', 'demo', '4', '6', judge],
    ['BISECT_UNVERIFIED', 'demo', '1', '3', judge],
    ['COMMAND_FAILED', 'demo', '1', '6', [...judge, 'die=6']],
    ['COMMAND_FAILED', 'demo', '1', '6', ['/nowhere/to/be/found']],
  ]
  for (const [code, channel, good, bad, argv] of cases) {
    const end = await runCommand('bisect', channel, '--good', good, '--bad', bad, '--home', home, '--', ...argv)
    t.alike([end.exitCode, codeIn(end.stderr)], [1, code], end.stderr.trimEnd())
  }
  for (const words of [
    ['demo', '--good', '1', '--', 'true'],
    ['demo', '--good', '1', '--bad', '2'],
    ['demo', '--good', '?', '--bad', '2', '--', 'true'],
  ]) {
    const end = await runCommand('bisect', ...words, '--home', home)
    t.alike([end.exitCode, codeIn(end.stderr)], [2, 'USAGE'], end.stderr.trimEnd())
  }
})

test('history: bisect, Ctrl-C → the command has ended, and the home is free', LONG, async (t) => {
  const { home, judge } = await sixReleases(t)
  const running = startCommand(t, 'bisect', 'demo', '--good', '1', '--bad', '6', '--home', home, '--', ...judge, 'wait')
  const pid = Number((await running.line((line) => line.startsWith('judging'))).split(' ').at(-1))
  const end = await running.signal('SIGINT')
  t.alike([end.exitCode, codeIn(end.stderr)], [1, 'INTERRUPTED'], end.stderr.trimEnd())
  await t.exception(() => process.kill(pid, 0), /ESRCH/)
  t.is((await jsonOf<WhenResult>('when', 'demo', 'aa=2', '--home', home)).ranges.length, 1)
})

test('history: diff, when, releases --package on the command line, offline → text', LONG, async (t) => {
  const { home } = await sixReleases(t)
  const lines = async (...words: string[]): Promise<string[]> => {
    const { exitCode, stdout, stderr } = await runCommand(...words, '--home', home, '--bootstrap', '127.0.0.1:1')
    t.alike([exitCode, stderr], [0, ''], words.join(' '))
    return stdout.trimEnd().split('\n')
  }
  t.alike(await lines('diff', 'demo@5', 'demo@5'), ['demo #5 and demo #5 hold the same packages'])
  t.is((await lines('diff', 'demo@4', 'demo'))[0]?.split(';')[0], 'demo #4 → demo #6: 1 upgraded, 1 removed')
  const [range] = await lines('when', 'demo', 'bb', 'aa=6')
  t.ok(/^#6 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, the newest$/.test(range ?? ''), range)
  t.is((await lines('when', 'demo', 'aa=1', 'aa=2'))[0], 'no release of demo held all of these together')
  t.alike(
    (await lines('releases', 'demo', '--package', 'cc')).map((line) => line.replace(/ {2}\d.*$/, '')),
    ['1 (amd64)', '  #4'],
  )
})
