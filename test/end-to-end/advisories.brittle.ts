/** Withdrawn versions, advisories and known-bad sets act: followers are told, plans leave them out, and old releases keep what they had. */
import test from 'brittle'
import type { Assert } from 'brittle'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildDeb } from '../../tools/demo/build-deb.ts'
import { scratchApt } from '../../tools/demo/scratch-apt.ts'
import type { AdvisoriesResult } from '../../tools/advisories.ts'
import { parsePackage } from '../../tools/arguments.ts'
import { NOTHING_AVOIDED } from '../../tools/avoided.ts'
import { makePlan } from '../../tools/commands/plan.ts'
import type { OperationName } from '../../tools/operations.ts'
import type { PlanResult, PlanWishes } from '../../tools/plan-packages.ts'
import { privateNetwork, scratchFolder } from '../helpers/network.ts'
import type { TestNode } from '../helpers/network.ts'
import { codeOf } from '../helpers/refusal.ts'
import { skipUnless } from '../helpers/requires.ts'

const LONG = { timeout: 180_000 }
const missing = skipUnless('apt')

interface World {
  readonly publisher: TestNode
  readonly follower: TestNode
  readonly debs: string
}

/** aa in two versions; bb, which needs aa, and cc. */
async function world(t: Assert): Promise<World> {
  const network = await privateNetwork(t)
  const publisher = await network.node()
  const id = await publisher.createChannel('demo')
  const debs = await scratchFolder(t)
  for (const version of ['1', '2']) await buildDeb(debs, { name: 'aa', version, architecture: 'amd64' })
  await buildDeb(debs, { name: 'bb', version: '1', architecture: 'amd64', fields: { Depends: 'aa (>= 2)' } })
  await buildDeb(debs, { name: 'cc', version: '1', architecture: 'amd64', fields: { Depends: 'aa' } })
  await publisher.importDebs('demo', debs)
  await publisher.call('maintainer.invite', { channel: 'demo', name: 'Ada' })
  await publisher.call('maintainer.add', { channel: 'demo' })
  const follower = await network.node()
  await follower.call('follow', { id, name: 'demo' })
  await follower.serves('demo', 1)
  return { publisher, follower, debs }
}

async function say({ publisher }: World, registers: Readonly<Record<string, string>>): Promise<void> {
  await publisher.call('meta.set', { channel: 'demo', registers })
  await publisher.call('meta.publish', { channel: 'demo' })
}

async function plan(
  node: TestNode,
  names: readonly string[],
  given: Partial<PlanWishes> = {},
  at = '',
): Promise<PlanResult> {
  const none = { statusPath: null, architecture: 'amd64', upgrade: false, allowRemove: false, recommends: false }
  const wanted = { ...none, pins: true, ...given, wishes: names.map(parsePackage) }
  const call = (operation: OperationName, args: object): Promise<unknown> => node.call(operation, args)
  return makePlan(call, `demo${at}`, wanted)
}

const versions = ({ install }: PlanResult): string[] => install.map(({ name, version }) => `${name}=${version}`)

test(
  'advisories: one about what is installed → told at once, with severity, fixed version and reference',
  LONG,
  async (t) => {
    const w = await world(t)
    const status = join(await scratchFolder(t), 'status')
    await writeFile(status, 'Package: aa\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n\n')
    await w.follower.call('subscription.set', { channel: 'demo', statusFile: status })
    await say(w, { 'advisory/A-1/package': 'zz', 'advisory/A-1/severity': 'low' })
    await say(w, {
      'advisory/A-2/package': 'aa',
      'advisory/A-2/affected': '>= 2',
      'advisory/A-2/fixed': '2.1',
      'advisory/A-2/severity': 'critical',
      'advisory/A-2/reference': 'https://example.org/A-2',
      'advisory/A-2/summary': 'loses files',
    })
    await w.follower.until('it is told', () => w.follower.concerns.length > 0)
    const [told] = w.follower.concerns
    t.alike(
      [told?.kind, told?.subject, told?.installed, told?.severity, told?.fixed, told?.reference, told?.text],
      ['advisory', 'A-2', ['aa=2'], 'critical', '2.1', 'https://example.org/A-2', 'loses files'],
    )
    await say(w, { 'set/mix/kind': 'known-bad', 'set/mix/member/aa': '2', 'set/mix/note': 'does not stop' })
    await w.follower.until('the set is told', () => w.follower.concerns.length > 1)
    t.is(w.follower.concerns[1]?.subject, 'mix')
    t.absent(
      w.follower.concerns.some(({ subject }) => subject === 'A-1'),
      'what nobody here has is not told',
    )

    const all = await w.follower.call<AdvisoriesResult>('advisories', { channel: 'demo', status })
    t.alike(
      all.advisories.map(({ id }) => id),
      ['A-1', 'A-2'],
    )
    t.alike(
      all.concerns?.map(({ subject }) => subject),
      ['A-2', 'mix'],
    )
    const then = await w.follower.call<AdvisoriesResult>('advisories', { channel: 'demo', when: '#1' })
    t.alike([then.advisories, then.knownBad, then.concerns], [[], [], null], 'release 1 has the metadata it had')
  },
)

test('advisories: plans → leave out what was withdrawn and what is known to be bad, and say so', LONG, async (t) => {
  const w = await world(t)
  t.alike(versions(await plan(w.follower, ['cc'])), ['aa=2', 'cc=1'])
  await w.publisher.call('withdraw', { channel: 'demo', package: 'aa=2', reason: 'loses files' })
  await w.follower.until('it is told', () => w.follower.withdrawals.length > 0)
  t.alike(versions(await plan(w.follower, ['cc'])), ['aa=1', 'cc=1'])
  const refused = await plan(w.follower, ['bb'])
  t.absent(refused.ok)
  t.ok(refused.reason?.at(-1)?.startsWith('aa=2 was withdrawn: loses files; --allow-withdrawn'), refused.reason?.at(-1))
  t.is(await codeOf(plan(w.follower, ['aa=2'])), 'PACKAGE_WITHDRAWN')
  t.alike(versions(await plan(w.follower, ['bb'], { avoid: NOTHING_AVOIDED })), ['aa=2', 'bb=1'])
  t.alike(
    versions(await plan(w.follower, ['bb'], {}, '@1')),
    ['aa=2', 'bb=1'],
    'who names a release gets what it holds',
  )

  await say(w, { 'set/mix/kind': 'known-bad', 'set/mix/member/aa': '1', 'set/mix/member/cc': '1' })
  await w.follower.until('the set is here', async () => {
    const { knownBad } = await w.follower.call<AdvisoriesResult>('advisories', { channel: 'demo' })
    return knownBad.length > 0
  })
  const mixed = await plan(w.follower, ['cc'])
  t.absent(mixed.ok)
  t.ok(mixed.reason?.[0]?.startsWith('aa=1 and cc=1 are known to be bad (mix); --allow-withdrawn'), mixed.reason?.[0])
  t.alike(versions(await plan(w.follower, ['aa'])), ['aa=1'], 'one of them alone is no set')
  t.alike(versions(await plan(w.follower, ['cc'], { avoid: NOTHING_AVOIDED })), ['aa=2', 'cc=1'])
  const status = join(await scratchFolder(t), 'status')
  const stanza = (name: string): string =>
    `Package: ${name}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n`
  await writeFile(status, stanza('aa') + stanza('cc'))
  const grown = await plan(w.follower, ['aa'], { statusPath: status })
  t.alike([grown.ok, versions(grown)], [true, []], 'what a machine has already stops nothing')
})

test(
  'withdraw: real apt → the next release does not offer the version, the release before still does',
  LONG,
  async (t) => {
    if (missing !== null) return t.comment(missing)
    const w = await world(t)
    const folder = await scratchFolder(t)
    const keyring = join(folder, 'demo.asc')
    await writeFile(keyring, (await w.publisher.call<{ key: string }>('channel.key', { name: 'demo' })).key)
    const apt = async (at: string): Promise<string | null> => {
      const source = `deb [arch=amd64 signed-by=${keyring}] ${w.follower.gateway}/demo${at} demo main`
      const scratch = await scratchApt({ sources: [source], architecture: 'amd64' })
      t.teardown(() => scratch.remove())
      const update = await scratch.update()
      t.is(update.exitCode, 0, update.exitCode === 0 ? 'apt-get update' : update.output)
      return (await scratch.policy(['aa']))[0]?.candidate ?? null
    }
    t.is(await apt(''), '2')
    await w.publisher.call('withdraw', { channel: 'demo', package: 'aa=2', reason: 'loses files' })
    t.is(await apt(''), '2', 'a release stays what it is')
    await w.publisher.importDebs('demo', w.debs)
    await w.follower.serves('demo', 2)
    t.is(await apt(''), '1')
    t.is(await apt('@1'), '2')
  },
)
