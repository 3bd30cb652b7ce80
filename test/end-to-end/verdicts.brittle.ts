/** What releases say about their packages: written by whoever publishes, shown to whoever follows, refused where asked for, audited. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { asFreshetError, FreshetError } from '../../schemas/errors.ts'
import type { ChannelAudit } from '../../tools/audit-channel.ts'
import type { CheckResult } from '../../tools/check-packages.ts'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import type { ForkResult, MergeResult } from '../../tools/fork-operations.ts'
import type { VerdictView } from '../../tools/verdict-view.ts'
import { runCommand } from '../helpers/command-line.ts'
import { privateNetwork, scratchFolder, type TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { SigningMachine } from '../helpers/signing-machine.ts'

const LONG = { timeout: 300_000 }

type Package = readonly [name: string, version: string, fields?: Readonly<Record<string, string>>]

const APP: Package = ['app', '1', { Depends: 'lib (<< 2)' }]
const LIB: Package = ['lib', '1']
const NEW_LIB: Package = ['lib', '2']
const WHOLE = [APP, LIB]
const BROKEN = [APP, NEW_LIB]

interface Shown {
  readonly verdicts: readonly VerdictView[] | null
}

async function folderOf(t: Assert, packages: readonly Package[]): Promise<string> {
  const directory = await scratchFolder(t)
  for (const [name, version, fields = {}] of packages) {
    await buildDeb(directory, { name, version, architecture: 'amd64', fields })
  }
  return directory
}

async function publish(t: Assert, node: TestNode, packages: readonly Package[], more: object = {}): Promise<Shown> {
  const source = { kind: 'deb-dir', directory: await folderOf(t, packages) }
  return node.call('import', { channel: 'demo', source, ...more })
}

const summary = ({ verdicts }: Shown): unknown =>
  verdicts?.map(({ uninstallable, became, names, mended }) => [uninstallable, became, ...names, mended]) ?? null

async function history(node: TestNode, channel = 'demo'): Promise<unknown[]> {
  return (await node.call<{ releases: Shown[] }>('releases', { channel })).releases.map(summary)
}

test('verdicts: releases that break and mend → in the block, for publisher and follower alike', LONG, async (t) => {
  const network = await privateNetwork(t)
  const [publisher, follower] = [await network.node(), await network.node()]
  const id = await publisher.createChannel('demo')
  await follower.call('follow', { id, name: 'demo' })
  t.alike(
    summary(await publish(t, publisher, [...BROKEN, ['lone', '1', { Depends: 'nobody' }]])),
    [[2, 0, 0]],
    'a first one',
  )
  t.alike(summary(await publish(t, publisher, WHOLE)), [[0, 0, 1]], 'app is mended; lone is gone, which mends nothing')
  t.alike(summary(await publish(t, publisher, BROKEN)), [[1, 1, 'app:amd64=1', 0]])
  t.alike(summary(await publish(t, publisher, BROKEN)), null, 'nothing new')
  t.alike(summary(await publish(t, publisher, [['app', '1.1', { Depends: 'lib (<< 2)' }], NEW_LIB])), [[1, 0, 0]])
  const expected = [[[2, 0, 0]], [[0, 0, 1]], [[1, 1, 'app:amd64=1', 0]], [[1, 0, 0]]]
  t.alike(await history(publisher), expected)
  await follower.serves(id, 4)
  t.alike(await history(follower), expected)
  t.alike(summary(await follower.call('snapshot', { channel: 'demo', when: '3' })), expected[2])
  const check = await follower.call<CheckResult>('check', { channel: 'demo', when: '3' })
  t.alike([check.since?.release, check.became.map(({ name }) => name)], [2, ['app']], 'what it computes itself')

  await publisher.call('config.set', { name: 'verdicts', value: 'off' })
  t.alike(summary(await publish(t, publisher, WHOLE)), null, 'not asked for')
  t.is(
    await codeOf(publish(t, publisher, BROKEN, { refuseBroken: true })),
    'RELEASE_BREAKS',
    'asked for by the command',
  )
})

test(
  'refuse broken: a release by which a package becomes uninstallable → nothing of it is here or there',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const node = await network.node({ offline: true })
    await node.createChannel('demo')
    await publish(t, node, WHOLE, { refuseBroken: true })
    const before = [node.node.session.channel('demo').log.length, node.node.status().pool]
    const failure = await publish(t, node, BROKEN, { refuseBroken: true }).catch(asFreshetError)
    if (!(failure instanceof FreshetError)) return t.fail('it was published')
    t.is(failure.code, 'RELEASE_BREAKS')
    t.alike(failure.detail, {
      channel: 'demo',
      became: 1,
      packages: 'app:amd64=1 on amd64',
      reason: 'app:amd64 1 depends on lib (<< 2), and there is only lib:amd64 2',
    })
    t.alike([node.node.session.channel('demo').log.length, node.node.status().pool], before)
    const other: Package = ['lib', '1.5']
    t.alike(
      summary(await publish(t, node, [APP, other], { refuseBroken: true })),
      [[0, 0, 0]],
      'another one in its place',
    )
    t.alike(summary(await publish(t, node, BROKEN)), [[1, 1, 'app:amd64=1', 0]])
    t.alike(
      summary(await publish(t, node, [...BROKEN, ['more', '1']], { refuseBroken: true })),
      [[1, 0, 0]],
      'no worse',
    )
    await node.stop()
    const debs = await folderOf(t, [...BROKEN, ['more', '2', { Depends: 'nobody' }]])
    const refused = await runCommand(
      'import',
      'demo',
      '--deb-dir',
      debs,
      '--refuse-broken',
      '--json',
      '--home',
      node.home,
    )
    t.is(refused.exitCode, 1)
    t.is(
      (JSON.parse(refused.stderr) as { error: { code: string } }).error.code,
      'RELEASE_BREAKS',
      'a node that has just started',
    )
    const told = await runCommand('releases', 'demo', '--home', node.home)
    t.ok(told.stdout.includes('1 uninstallable on amd64 (1 new)'), told.stdout)
  },
)

test(
  'verdicts: a channel of several signers → in what they sign; a broken release is not prepared',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const publisher = await network.node({ offline: true })
    const machines = [await SigningMachine.create(t), await SigningMachine.create(t)]
    await publisher.call('channel.create', { name: 'demo', signers: machines.map(({ signer }) => signer), quorum: 2 })
    const request = join(await scratchFolder(t), 'request')
    const commit = async (): Promise<void> => {
      const signatures: string[] = []
      for (const machine of machines) signatures.push(await machine.sign(request))
      await publisher.call('commit', { channel: 'demo', signatures })
    }
    await publish(t, publisher, WHOLE, { request })
    await commit()
    t.is(await codeOf(publish(t, publisher, BROKEN, { request, refuseBroken: true })), 'RELEASE_BREAKS')
    t.alike(summary(await publish(t, publisher, BROKEN, { request })), [[1, 1, 'app:amd64=1', 0]])
    await commit()
    t.alike(await history(publisher), [[[0, 0, 0]], [[1, 1, 'app:amd64=1', 0]]])
  },
)

test(
  'verdicts: a fork → its first release is looked at where it is to be refused; merges and changes say more',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const node = await network.node({ offline: true })
    await node.createChannel('demo')
    await publish(t, node, WHOLE)
    const wishes = [{ wish: 'remove', packages: ['lib'] }]
    t.is(
      await codeOf(node.call('fork', { channel: 'demo', name: 'none', wishes, refuseBroken: true })),
      'RELEASE_BREAKS',
    )
    const made = await node.call<ForkResult>('fork', { channel: 'demo', name: 'down', wishes })
    t.is(made.verdicts, null)
    const change = (wish: object, more: object = {}): Promise<ForkResult> =>
      node.call('fork.change', { fork: 'down', wishes: [wish], ...more })
    t.alike(summary(await change({ wish: 'reset', packages: ['lib'] }, { refuseBroken: true })), [[0, 0, 1]])
    t.is(await codeOf(change({ wish: 'remove', packages: ['lib'] }, { refuseBroken: true })), 'RELEASE_BREAKS')
    await publish(t, node, BROKEN)
    const merge = (more: object = {}): Promise<MergeResult> => node.call('fork.merge', { fork: 'down', ...more })
    t.is(await codeOf(merge({ refuseBroken: true })), 'RELEASE_BREAKS')
    t.alike(summary(await merge()), [[1, 1, 'app:amd64=1', 0]])
    t.alike(await history(node, 'down'), [null, [[0, 0, 1]], [[1, 1, 'app:amd64=1', 0]]])
    const audit = await node.call<ChannelAudit>('audit', { channel: 'down', verdicts: true })
    t.alike([audit.ok, audit.verdicts], [true, 2])
  },
)

test('audit --verdicts: what a publisher says → computed anew, and a lie is named', LONG, async (t) => {
  const network = await privateNetwork(t)
  const node = await network.node({ offline: true })
  await node.createChannel('demo')
  for (const packages of [WHOLE, BROKEN, WHOLE]) await publish(t, node, packages)
  const audit = (more: object = {}): Promise<ChannelAudit> => node.call('audit', { channel: 'demo', ...more })
  const honest = await audit({ verdicts: true })
  t.alike([honest.ok, honest.verdicts, honest.failures], [true, 3, []])
  t.is((await audit()).verdicts, null)
  const { checker } = node.node
  const check = checker.check.bind(checker)
  checker.check = async (...args) => (await check(...args)).map((found) => ({ ...found, broken: [] }))
  await publish(t, node, BROKEN)
  checker.check = check
  const lied = await audit({ verdicts: true })
  t.alike([lied.ok, lied.failures.map(({ code, release }) => [code, release])], [false, [['VERDICT_WRONG', 4]]])
  t.is((await audit()).ok, true, 'a release is its index files, whatever is said about them')
})

test(
  'check: bad relations, cycles, packages against themselves → a verdict for each, and none is lost by another',
  LONG,
  async (t) => {
    const network = await privateNetwork(t)
    const node = await network.node({ offline: true })
    await node.createChannel('demo')
    const malformed: Package[] = [
      ['odd-field', '1', { Depends: 'lib >= 1' }],
      ['odd-version', '1', { Conflicts: 'lib (>= 1:-)' }],
      ['odd-empty', '1', { 'Pre-Depends': 'lib,, | ' }],
      ['needs-odd', '1', { Depends: 'odd-field' }],
    ]
    const fine: Package[] = [
      ['lib', '1'],
      ['hen', '1', { Depends: 'egg (>= 1)' }],
      ['egg', '1', { Depends: 'hen' }],
      ['self', '1', { Depends: 'self' }],
      ['lonely', '1', { Conflicts: 'lonely', Breaks: 'lonely (<< 9)' }],
      ['agent', '1', { Provides: 'mail-agent', Conflicts: 'mail-agent' }],
    ]
    const against: Package[] = [
      ['ring-a', '1', { Depends: 'ring-b' }],
      ['ring-b', '1', { Depends: 'ring-a, nobody' }],
    ]
    await publish(t, node, [...malformed, ...fine, ...against])
    const check = await node.call<CheckResult>('check', { channel: 'demo' })
    t.is(check.packages, 12)
    t.alike(
      check.broken.map(({ name }) => name),
      ['needs-odd', 'odd-empty', 'odd-field', 'odd-version', 'ring-a', 'ring-b'],
    )
    const reasons = new Map(check.broken.map(({ name, reason }) => [name, reason]))
    t.alike(reasons.get('needs-odd'), [
      'needs-odd:amd64 1 depends on odd-field, and there is only odd-field:amd64 1 (odd-field: Depends: "lib >= 1" is no relation)',
    ])
    t.alike(reasons.get('ring-a'), [
      'ring-a:amd64 1 depends on ring-b, which is ring-b:amd64 1',
      'ring-b:amd64 1 depends on nobody, and there is none',
    ])
  },
)
